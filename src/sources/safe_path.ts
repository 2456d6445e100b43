import { AimError } from "../errors/aim_error.ts";
import type { RelativePath } from "./manifest.ts";

/**
 * Checks that a path of a source may be written below a directory. @throws {AimError} `integrity`, naming
 * both.
 */
export function assertSafePath(path: string, source = "the source"): RelativePath {
  const fault = pathFault(path);
  if (fault === null) return path as RelativePath;
  throw new AimError("integrity", `${source} has a file named ${JSON.stringify(path)}: ${fault}`, {
    hint: "rename or remove it at the source, or leave it out with --exclude",
  });
}

/** What is wrong with a relative path; `null` for nothing. */
export function pathFault(path: string): string | null {
  if (path.startsWith("/")) return "it is absolute";
  return path.split("/").map(partFault).find((fault) => fault !== null) ?? null;
}

/** Characters that make names look different: controls, line separators, changes of the text's direction. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** What is wrong with one part of a path; `null` for nothing. */
export function partFault(part: string): string | null {
  if (part === "") return "it has an empty part";
  if (part === "." || part === "..") return `"${part}" leaves its directory`;
  if (part.includes("\\")) return "it contains a backslash";
  if (UNPRINTABLE.test(part)) return "it contains a control character";
  // UTF-8 has no lone surrogates: two names could become one file.
  if (!part.isWellFormed()) return "it is not valid Unicode";
  if (new TextEncoder().encode(part).length > 255) return "a part of it is longer than 255 bytes";
  return null;
}

/** Rules of the Hugging Face libraries for names of repositories (`validate_repo_id`). */
const HUB_RULES: readonly (readonly [broken: RegExp, fault: string])[] = [
  [/(?:^|\/)[-.]|[-.](?:\/|$)/, "a part of it begins or ends with a dash or a dot"],
  [/[^/]{97}$/, "it is longer than 96 characters"],
  [/\.git$/, 'it ends in ".git"'],
];

/** Why the Hugging Face libraries refuse a name; `null` if they do not. */
export function hubNameFault(name: string): string | null {
  const odd = /--|\.\.|[^\p{L}\p{N}_.\-/]/u.exec(name)?.[0];
  if (odd !== undefined) return `it contains ${JSON.stringify(odd)}`;
  return HUB_RULES.find(([broken]) => broken.test(name))?.[1] ?? null;
}
