import { dirname } from "@std/path";
import { AimError } from "../errors/aim_error.ts";

/** Where bytes will go. */
export interface SpaceNeed {
  readonly directory: string;
  /** Bytes. */
  readonly bytes: number;
  /** What they are for. @default {"are still to be downloaded"} */
  readonly what?: string;
}

/**
 * Checks, before the first byte, that what is missing fits. Requires sys permission for `statfs`.
 *
 * @throws {AimError} `no-space` with both numbers.
 */
export async function checkFreeSpace(need: SpaceNeed): Promise<void> {
  if (need.bytes <= 0) return;
  const place = await freeBytes(need.directory);
  if (place === null || place.free >= need.bytes) return;
  throw new AimError(
    "no-space",
    `${need.directory} has ${place.free} bytes free, ${need.bytes} ${
      need.what ?? "are still to be downloaded"
    } (No space left on device)`,
    { hint: "free some space or use a larger volume" },
  );
}

/** Bytes that this user may still write, all bytes of the file system, and a path on it. */
export interface Space {
  readonly free: number;
  readonly total: number;
  readonly at: string;
}

/** The file system of a path that need not exist yet; `null` if it does not say how much space it has. */
export async function freeBytes(path: string): Promise<Space | null> {
  // Node's modules take longer to load than a dry run of a cached model, which asks for no space.
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
