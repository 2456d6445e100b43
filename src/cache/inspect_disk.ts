import { eachOf } from "../sources/each_of.ts";
import { lstatOrNull, readableEntries } from "./files.ts";

export interface DiskUse {
  /**
   * Bytes like `du`: blocks of files and folders, a file with several hard links once, links not followed.
   */
  readonly bytes: number;
  /** Latest access to a file, in milliseconds since 1970; `null` without files. */
  readonly lastUsed: number | null;
}

/**
 * Measures the disk space of a path.
 *
 * @param seen Device and inode of files, to count each only once in several calls.
 * @param once Remembers files with a single hard link too.
 */
export async function diskUse(
  path: string,
  seen: Set<string> = new Set(),
  once: boolean = false,
): Promise<DiskUse> {
  const info = await lstatOrNull(path);
  if (info === null) return { bytes: 0, lastUsed: null };
  let bytes = 0;
  const key = `${info.dev}:${info.ino}`;
  if (info.isDirectory || !seen.has(key)) bytes += (info.blocks ?? Math.ceil(info.size / 512)) * 512;
  if (once || (info.nlink ?? 1) > 1) seen.add(key);
  if (!info.isDirectory) return { bytes, lastUsed: info.isFile ? info.atime?.getTime() ?? null : null };
  let lastUsed: number | null = null;
  const entries = await readableEntries(path);
  for (const inner of await eachOf(entries, ({ name }) => diskUse(`${path}/${name}`, seen))) {
    bytes += inner.bytes;
    if (inner.lastUsed !== null) lastUsed = Math.max(lastUsed ?? 0, inner.lastUsed);
  }
  return { bytes, lastUsed };
}
