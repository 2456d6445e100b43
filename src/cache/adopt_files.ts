import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { eachOf } from "../sources/each_of.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import type { TransferItem } from "../transfer/types.ts";
import { lstatOrNull } from "./files.ts";
import { HashPool } from "../transfer/hash/hash_pool.ts";
import { folderOf } from "./layout.ts";

/**
 * Gets files from elsewhere on this host instead of the network: by hard link, or by copying where hard links
 * are not possible. Each gets its final name only if its digest is right.
 *
 * @param candidates Possible paths of a file; the first with the right digest is used.
 * @returns Where each adopted file is, by its path.
 * @throws {AimError} `no-space` if a file cannot be written; the signal's reason.
 */
export async function adoptFiles(
  files: FilesBelow,
  items: readonly TransferItem[],
  candidates: (file: ManifestFile) => readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, { readonly at: string }>> {
  const adopted = new Map<string, { readonly at: string }>();
  using hasher = new HashPool({ signal });
  await eachOf(items, async (item) => {
    for (const from of candidates(item.file)) {
      const at = await adopt(files, item, from, hasher, signal);
      if (at === null) continue;
      adopted.set(item.file.path, { at });
      break;
    }
  }, 8);
  return adopted;
}

async function adopt(
  files: FilesBelow,
  item: TransferItem,
  from: string,
  hasher: HashPool,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const { digest, size } = item.file;
  if (digest === null) return null;
  // Links are not followed, since their targets may be anywhere.
  const there = await lstatOrNull(from);
  if (!there?.isFile || there.size !== size) return null;
  const own = `${folderOf(item.staging)}/.link.aim-${crypto.randomUUID().slice(0, 8)}.incomplete`;
  try {
    await linkOrCopy(files, from, own, signal);
    const proven = await hasher.prove(own, digest, item.compute);
    if (proven === null) return null;
    const target = item.target(proven);
    files.rename(own, target);
    return target;
  } catch (error) {
    signal?.throwIfAborted();
    throw errorFrom(error, `adopting ${from}`);
  } finally {
    // rename(2) does nothing if both names are links to the same file.
    files.remove(own);
  }
}

export async function linkOrCopy(
  files: FilesBelow,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    return files.link(from, to);
  } catch {
    // Another file system, one without hard links, or another owner's file (fs.protected_hardlinks).
    log.info(`copying ${from} to ${folderOf(to)}, since it cannot be hard-linked there`);
    await copyFile(files, from, to, signal);
  }
}

export async function copyFile(
  files: FilesBelow,
  from: string,
  to: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  using source = await Deno.open(from);
  using target = files.create(to);
  await source.readable.pipeTo(target.writable, { signal, preventClose: true });
  await target.syncData();
}
