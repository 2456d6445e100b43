import { errorFrom } from "../errors/mod.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import type { TransferItem } from "../transfer/types.ts";
import { eachOf } from "./each_of.ts";
import { lstatOrNull, removeIfThere } from "./files.ts";
import { type FileProver, withProver } from "./prove_file.ts";

/**
 * Takes files that lie elsewhere on the same file system by hard link instead of the network. Each is proven by its digest before it
 * gets its final name. Returns where each adopted one lies, by path; those that cannot be linked are left to the network.
 *
 * @param candidate Where the file may lie.
 * @throws The signal's reason.
 */
export async function adoptFiles(
  items: readonly TransferItem[],
  candidate: (file: ManifestFile) => string | null,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const adopted = new Map<string, string>();
  await withProver(signal, (prover) =>
    eachOf(items, async (item) => {
      const target = await adopt(item, candidate(item.file), prover);
      if (target !== null) adopted.set(item.file.path, target);
    }, 8));
  return adopted;
}

async function adopt(item: TransferItem, from: string | null, prover: FileProver): Promise<string | null> {
  const { digest, size } = item.file;
  if (from === null || digest === null) return null;
  // A link is not followed: what it names may be anywhere.
  const there = await lstatOrNull(from);
  if (!there?.isFile || there.size !== size) return null;
  const link = `${item.staging.replace(/[^/]*$/, "")}.link.aim-${crypto.randomUUID().slice(0, 8)}.incomplete`;
  try {
    await Deno.link(from, link);
  } catch {
    // Another file system, or one without hard links.
    return null;
  }
  try {
    const proven = await prover.prove(link, digest, item.compute);
    if (proven === null) return null;
    const target = item.target(proven);
    await Deno.rename(link, target);
    return target;
  } catch (error) {
    throw errorFrom(error, `linking ${from}`);
  } finally {
    // rename(2) does nothing where both names are links to one file already.
    await removeIfThere(link);
  }
}
