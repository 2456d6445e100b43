import { nodeModule } from "../../os/node_module.ts";
import { errnoOf, errorFrom } from "../../errors/from_unknown.ts";
import { formatBytes } from "../format.ts";
import { type Check, check, type CheckState } from "./check.ts";

/**
 * Whether a cache directory exists, has space and can be written: a file is created in it and removed again.
 * A directory that does not exist is not created; the nearest one above it is checked.
 *
 * @param whenBad `failed` if serving has to download into it.
 */
export async function checkDirectory(name: string, path: string, whenBad: CheckState): Promise<Check> {
  if (/^\/(?:dev|proc|sys)(?:\/|$)/.test(path)) {
    const found = `${path}: aim cannot use paths below /dev, /proc and /sys (Deno keeps them closed)`;
    const todo = "set AIM_CACHE_PATH to a directory elsewhere: a mounted volume, or a tmpfs at /mnt";
    return check(name, "failed", found, todo);
  }
  const nearest = await nearestEntry(path);
  const missing = nearest.path === path ? "" : ", does not exist yet";
  if (!nearest.isDirectory) {
    const found = `${path}: ${nearest.path} is not a directory`;
    return check(name, whenBad, found, "move it away, or choose another directory");
  }
  try {
    const { access, constants, statfs } = nodeModule("node:fs/promises");
    const { bavail, bsize } = await statfs(nearest.path);
    const space = `${formatBytes(bavail * bsize)} free`;
    if (nearest.path === path) await tryToWrite(path);
    else await access(nearest.path, constants.W_OK);
    return bavail * bsize > 0
      ? check(name, "ok", `${path}: ${space}, writable${missing}`)
      : check(name, whenBad, `${path}: ${space}`, "free some space or use a larger volume");
  } catch (thrown) {
    const { message, hint = "check that its volume is mounted" } = errorFrom(thrown, path);
    const readOnly = ["EROFS", "EACCES", "EPERM"].includes(errnoOf(thrown) ?? "") ||
      thrown instanceof Deno.errors.PermissionDenied;
    return check(name, whenBad, readOnly ? `${path}: not writable${missing}` : message, hint);
  }
}

/** The path itself, or the nearest directory above it that exists. */
async function nearestEntry(path: string): Promise<{ path: string; isDirectory: boolean }> {
  for (let at = path;; at = at.replace(/\/[^/]*$/, "") || "/") {
    try {
      return { path: at, isDirectory: (await Deno.stat(at)).isDirectory };
    } catch {
      if (at === "/") return { path: at, isDirectory: true };
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
