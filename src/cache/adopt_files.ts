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
 * Takes files that lie elsewhere on this host instead of over the network: by hard link, and where that cannot be (another file system, or
 * one without links) by copy. Each is proven by its digest before it gets its final name. Returns where each adopted one lies, by path;
 * what is not there, or not what it should be, is left to the network.
 *
 * @param candidates Where the file may lie; the first that proves itself is taken.
 * @throws {AimError} `no-space` where it cannot be written; the signal's reason.
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
  // A link is not followed: what it names may be anywhere.
  const there = await lstatOrNull(from);
  if (!there?.isFile || there.size !== size) return null;
  const own = `${item.staging.replace(/[^/]*$/, "")}.link.aim-${crypto.randomUUID().slice(0, 8)}.incomplete`;
  try {
    const linked = link(files, from, own);
    // A copy is made of proven bytes only, and proven itself.
    if (!linked && await prover.prove(from, digest) === null) return null;
    if (!linked) await copy(files, from, own, signal);
    const proven = await prover.prove(own, digest, item.compute);
    if (proven === null) return null;
    const target = item.target(proven);
    files.rename(own, target);
    return target;
  } catch (error) {
    signal?.throwIfAborted();
    throw errorFrom(error, `taking ${from}`);
  } finally {
    // rename(2) does nothing where both names are links to one file already.
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
  log.info(`copying ${from} to ${to.replace(/\/[^/]*$/, "")}, which cannot have links to it`);
  await copyFile(files, from, to, signal);
}
