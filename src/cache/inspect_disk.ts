import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { eachOf } from "../sources/each_of.ts";
import { isAbsence, lstatOrNull } from "./files.ts";

/** What a folder takes on disk. */
export interface DiskUse {
  /** As `du` counts: blocks of files and folders, a file with several hard links once, links not followed. Bytes. */
  readonly bytes: number;
  /** When one of its files was last read, in milliseconds since 1970; `null` where there are none. */
  readonly lastUsed: number | null;
}

/**
 * Counts what a path takes on disk.
 *
 * @param seen Files with several links that are counted already, by device and inode; shared over calls so that they count once.
 * @param once A file counts once even with a single hard link.
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
  for (
    const inner of await eachOf(await readableEntries(path), ({ name }) => diskUse(`${path}/${name}`, seen))
  ) {
    bytes += inner.bytes;
    if (inner.lastUsed !== null) lastUsed = Math.max(lastUsed ?? 0, inner.lastUsed);
  }
  return { bytes, lastUsed };
}

/** The entries of a folder itself: none where it is a link. */
export async function ownEntries(path: string): Promise<Deno.DirEntry[]> {
  return (await lstatOrNull(path))?.isDirectory ? await entriesOf(path) : [];
}

/** The entries of a folder; none where this user may not look, as into a volume's `lost+found`: `du` goes on, too. */
export async function readableEntries(path: string): Promise<Deno.DirEntry[]> {
  try {
    return await entriesOf(path);
  } catch (error) {
    if (error instanceof AimError && error.kind === "no-space") return [];
    throw error;
  }
}

/** A folder's entries sorted by name; none where there is no such folder. */
export async function entriesOf(path: string): Promise<Deno.DirEntry[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    return entries.sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    if (isAbsence(error)) return [];
    throw errorFrom(error, `reading ${path}`);
  }
}
