import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import type { TransferItem } from "../transfer/types.ts";
import { eachOf } from "./each_of.ts";
import { lstatOrNull, removeIfThere } from "./files.ts";
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
  items: readonly TransferItem[],
  candidates: (file: ManifestFile) => readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const adopted = new Map<string, string>();
  await withProver(signal, (prover) =>
    eachOf(items, async (item) => {
      for (const from of candidates(item.file)) {
        const target = await adopt(item, from, prover, signal);
        if (target === null) continue;
        adopted.set(item.file.path, target);
        break;
      }
    }, 8));
  return adopted;
}

async function adopt(
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
    const linked = await link(from, own);
    // A copy is made of proven bytes only, and proven itself.
    if (!linked && await prover.prove(from, digest) === null) return null;
    if (!linked) await copy(from, own, signal);
    const proven = await prover.prove(own, digest, item.compute);
    if (proven === null) return null;
    const target = item.target(proven);
    await Deno.rename(own, target);
    return target;
  } catch (error) {
    signal?.throwIfAborted();
    throw errorFrom(error, `taking ${from}`);
  } finally {
    // rename(2) does nothing where both names are links to one file already.
    await removeIfThere(own).catch(() => {});
  }
}

async function link(from: string, to: string): Promise<boolean> {
  try {
    await Deno.link(from, to);
    return true;
  } catch {
    // Another file system, one without hard links, or a file of another owner (fs.protected_hardlinks).
    return false;
  }
}

/** Bytes read at once: a copy stops soon after the signal. */
const CHUNK = 4 << 20;

async function copy(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  log.info(`copying ${from} to ${to.replace(/\/[^/]*$/, "")}, which cannot have links to it`);
  using source = await Deno.open(from);
  using target = await Deno.open(to, { write: true, createNew: true });
  const buffer = new Uint8Array(CHUNK);
  for (;;) {
    signal?.throwIfAborted();
    const read = await source.read(buffer);
    if (read === null) break;
    for (let at = 0; at < read;) at += await target.write(buffer.subarray(at, read));
  }
  await target.syncData();
}
