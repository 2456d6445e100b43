import { dirname } from "@std/path";
import { AimError } from "../errors/aim_error.ts";

/**
 * Checks, before a download, that `bytes` fit into a directory. Requires sys permission for `statfs`.
 *
 * @throws {AimError} `no-space` with both numbers.
 */
export async function checkFreeSpace(
  directory: string,
  bytes: number,
  what = "are still to be downloaded",
): Promise<void> {
  if (bytes <= 0) return;
  const space = await freeBytes(directory);
  if (space === null || space.free >= bytes) return;
  const message = `${directory} has ${space.free} bytes free, ${bytes} ${what} (No space left on device)`;
  throw new AimError("no-space", message, { hint: "free some space or use a larger volume" });
}

/** Bytes that this user may still write, all bytes of the file system, and a path on it. */
export interface Space {
  readonly free: number;
  readonly total: number;
  readonly at: string;
}

/** The space at a path that need not exist yet; `null` if its file system does not report any. */
export async function freeBytes(path: string): Promise<Space | null> {
  // Imported late: Node's modules take longer to load than a dry run of a cached model, which needs no space.
  const { statfs } = await import("node:fs/promises");
  for (let at = path;; at = dirname(at)) {
    try {
      const { bavail, bsize, blocks } = await statfs(at);
      // Some network and user-space file systems report nothing.
      return blocks === 0 ? null : { free: bavail * bsize, total: blocks * bsize, at };
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOENT" || dirname(at) === at) {
        return null;
      }
    }
  }
}
