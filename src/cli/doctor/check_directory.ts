import { nodeModule } from "../../os/node_module.ts";
import { errnoOf, errorFrom } from "../../errors/from_unknown.ts";
import { formatBytes } from "../format.ts";
import type { Check, CheckState } from "./check.ts";

/**
 * Whether a cache directory is there, has space and takes files. A file is written into a directory that exists and removed again;
 * one that does not exist is not created: the nearest directory above it counts.
 *
 * @param whenBad `failed` where serving has to download into it.
 */
export async function checkDirectory(name: string, path: string, whenBad: CheckState): Promise<Check> {
  if (/^\/(?:dev|proc|sys)(?:\/|$)/.test(path)) {
    return {
      name,
      state: "failed",
      found: `${path}: aim cannot use paths below /dev, /proc and /sys (Deno keeps them closed)`,
      todo: "set AIM_CACHE_PATH to a directory elsewhere: a mounted volume, or a tmpfs at /mnt",
    };
  }
  const there = await nearestEntry(path);
  const missing = there.path === path ? "" : ", does not exist yet";
  if (!there.isDirectory) {
    return {
      name,
      state: whenBad,
      found: `${path}: ${there.path} is not a directory`,
      todo: "move it away, or choose another directory",
    };
  }
  try {
    const { bavail, bsize } = await nodeModule("node:fs/promises").statfs(there.path);
    const space = `${formatBytes(bavail * bsize)} free`;
    if (there.path === path) await tryToWrite(path);
    else {
      const { access, constants } = nodeModule("node:fs/promises");
      await access(there.path, constants.W_OK);
    }
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

/** Whether a download of so many bytes fits where it would go. */
export async function checkRoom(path: string, bytes: number): Promise<Check> {
  const { bavail, bsize } = await nodeModule("node:fs/promises").statfs((await nearestEntry(path)).path);
  const free = bavail * bsize;
  const found = `${formatBytes(free)} free in ${path}, ${formatBytes(bytes)} to come`;
  return free >= bytes ? { name: "disk", state: "ok", found } : {
    name: "disk",
    state: "failed",
    found,
    todo: "use a larger volume, or free space with aim cache prune",
  };
}

/** The nearest entry at or above a path that exists. */
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
