import type { ManifestFile } from "../sources/mod.ts";
import { hashPool, type TransferItem } from "../transfer/mod.ts";
import { lstatOrNull, removeIfThere, statOrNull } from "./files.ts";
import { eachOf } from "./local_placement.ts";
import { proveFile } from "./prove_file.ts";

/**
 * Takes files that lie elsewhere on the same file system by hard link instead of the network. Each is proven by its digest before it
 * gets its final name. Returns where each adopted one lies, by path; those that cannot be linked are left to the network.
 *
 * @param candidate Where the file may lie.
 */
export async function adoptFiles(
  items: readonly TransferItem[],
  candidate: (file: ManifestFile) => string | null,
): Promise<ReadonlyMap<string, string>> {
  const adopted = new Map<string, string>();
  const pool = hashPool();
  try {
    await eachOf(items, async (item) => {
      const target = await adopt(item, candidate(item.file), pool);
      if (target !== null) adopted.set(item.file.path, target);
    }, 4);
  } finally {
    pool.close();
  }
  return adopted;
}

async function adopt(
  item: TransferItem,
  from: string | null,
  pool: ReturnType<typeof hashPool>,
): Promise<string | null> {
  const { digest, size } = item.file;
  if (from === null || digest === null) return null;
  // The link may be a symbolic one of the other layout: what it names is what must be linked.
  const real = (await lstatOrNull(from))?.isFile ? from : null;
  if (real === null || (await statOrNull(real))?.size !== size) return null;
  const link = `${item.staging.replace(/\.incomplete$/, "")}.aim-link-${
    crypto.randomUUID().slice(0, 8)
  }.incomplete`;
  try {
    await Deno.link(real, link);
  } catch {
    // Another file system, or one without hard links.
    return null;
  }
  const proven = await proveFile(pool, link, digest, item.compute);
  if (proven === null) {
    await removeIfThere(link);
    return null;
  }
  const target = item.target(proven);
  await Deno.rename(link, target);
  // rename(2) does nothing where both names are links to one file already.
  await removeIfThere(link);
  return target;
}
