import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import type { FilesBelow } from "../os/files_below.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import type { TransferItem } from "../transfer/types.ts";
import { eachOf } from "../sources/each_of.ts";
import { copyFile } from "./copy_file.ts";
import { lstatOrNull } from "./files.ts";
import { type FileProver, withProver } from "./prove_file.ts";

/**
 * Gets files from elsewhere on this host instead of the network: by hard link, or by copy from another file system or
 * on one without links. Each gets its final name only if its digest is right.
 *
 * @param candidates Possible paths of a file; the first with the right digest is used.
 * @returns The targets of the adopted files, by path.
 * @throws {AimError} `no-space` if a file cannot be written; the signal's reason.
 */
export async function adoptFiles(
  files: FilesBelow,
  items: readonly TransferItem[],
  candidates: (file: ManifestFile) => readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const adopted = new Map<string, string>();
  await withProver(signal, (prover) =>
    eachOf(items, async (item) => {
      for (const from of candidates(item.file)) {
        const target = await adopt(files, item, from, prover, signal);
        if (target === null) continue;
        adopted.set(item.file.path, target);
        break;
      }
    }, 8));
  return adopted;
}

async function adopt(
  files: FilesBelow,
  item: TransferItem,
  from: string,
  prover: FileProver,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const { digest, size } = item.file;
  if (digest === null) return null;
  // Links are not followed, since their targets may be anywhere.
  const there = await lstatOrNull(from);
  if (!there?.isFile || there.size !== size) return null;
  const own = `${item.staging.replace(/[^/]*$/, "")}.link.aim-${crypto.randomUUID().slice(0, 8)}.incomplete`;
  try {
    const linked = link(files, from, own);
    // Before a copy, the original is checked; then the copy is.
    if (!linked && await prover.prove(from, digest) === null) return null;
    if (!linked) await copy(files, from, own, signal);
    const proven = await prover.prove(own, digest, item.compute);
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

function link(files: FilesBelow, from: string, to: string): boolean {
  try {
    files.link(from, to);
    return true;
  } catch {
    // Another file system, one without hard links, or a file of another owner (fs.protected_hardlinks).
    return false;
  }
}

async function copy(
  files: FilesBelow,
  from: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  log.info(`copying ${from} to ${to.replace(/\/[^/]*$/, "")}, which cannot have hard links to it`);
  await copyFile(files, from, to, signal);
}
