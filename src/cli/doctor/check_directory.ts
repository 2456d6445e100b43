import { access, constants, statfs } from "node:fs/promises";
import { errnoOf, errorFrom } from "../../errors/mod.ts";
import { formatBytes } from "../format.ts";
import type { Check, CheckState } from "./check.ts";

/**
 * Whether a cache directory is there, has space and takes files. A file is written into a directory that exists and removed again;
 * one that does not exist is not created: the nearest directory above it counts.
 *
 * @param whenBad `failed` where serving has to download into it.
 */
export async function checkDirectory(name: string, path: string, whenBad: CheckState): Promise<Check> {
  const there = await nearestDirectory(path);
  const missing = there === path ? "" : ", not there yet";
  try {
    const { bavail, bsize } = await statfs(there);
    const space = `${formatBytes(bavail * bsize)} free`;
    if (there === path) await tryToWrite(path);
    else await access(there, constants.W_OK);
    if (bavail * bsize > 0) return { name, state: "ok", found: `${path}: ${space}, writable${missing}` };
    return {
      name,
      state: whenBad,
      found: `${path}: ${space}`,
      todo: "free some space or use a larger volume",
    };
  } catch (thrown) {
    const error = errorFrom(thrown, path);
    const readOnly = ["EROFS", "EACCES", "EPERM"].includes(errnoOf(thrown) ?? "") ||
      thrown instanceof Deno.errors.PermissionDenied;
    return {
      name,
      state: whenBad,
      found: readOnly ? `${path}: not writable${missing}` : error.message,
      todo: error.hint ?? "check that its volume is mounted",
    };
  }
}

async function nearestDirectory(path: string): Promise<string> {
  for (let at = path;; at = at.replace(/\/[^/]*$/, "") || "/") {
    try {
      if ((await Deno.stat(at)).isDirectory || at === "/") return at;
      // Something else stands in its place: trying to write there will say so.
      return at;
    } catch {
      if (at === "/") return at;
    }
  }
}

async function tryToWrite(directory: string): Promise<void> {
  const probe = await Deno.makeTempFile({ dir: directory, prefix: ".aim-doctor-" });
  try {
    await Deno.writeTextFile(probe, "aim doctor");
  } finally {
    await Deno.remove(probe);
  }
}
