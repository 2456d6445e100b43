import { AimError } from "../errors/aim_error.ts";
import type { RelativePath } from "./manifest.ts";

/**
 * Holds a repository path or an S3 key (less its prefix) to what may be written under a directory: relative,
 * `/`-separated, no `.`, `..` or empty part, no control character or backslash, no part longer than 255
 * bytes.
 *
 * @param source Named in the error, as `hf://org/model`.
 * @throws {AimError} `integrity`, naming the path.
 */
export function assertSafePath(path: string, source = "the source"): RelativePath {
  const fault = path.startsWith("/") ? "it is absolute" : firstFault(path);
  if (fault === null) return path as RelativePath;
  throw new AimError("integrity", `${source} has a file named ${JSON.stringify(path)}: ${fault}`, {
    hint: "rename or remove it at the source, or leave it out with --exclude",
  });
}

function firstFault(path: string): string | null {
  for (const part of path.split("/")) {
    const fault = partFault(part);
    if (fault !== null) return fault;
  }
  return null;
}

/**
 * Control characters, line separators, and those that change the direction of text: a name must read as what
 * it is.
 */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** What is wrong with one component of a path; `null` when nothing is. */
export function partFault(part: string): string | null {
  if (part === "") return "it has an empty part";
  if (part === "." || part === "..") return `"${part}" leads out of its directory`;
  if (part.includes("\\")) return "it holds a backslash";
  if (UNPRINTABLE.test(part)) return "it holds a control character";
  // A lone surrogate has no bytes of its own: two names would become one file.
  if (!part.isWellFormed()) return "it is not valid Unicode";
  if (new TextEncoder().encode(part).length > 255) return "a part of it is longer than 255 bytes";
  return null;
}
