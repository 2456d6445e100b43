import { filesBelow } from "../os/files_below.ts";
import { entriesOf, lstatOrNull, ownEntries, readTextOrNull } from "./files.ts";

// Python's client since 1.32 shares blobs between models (`utils/_shared_blobs.py`):
// `models--org--model/blobs/ETAG` is a link to the file `HUB/blobs/XX/HASH`. `HASH.refs` lists the links,
// `HASH.lock` is locked while they change, and a marker identifies the store.
const MARKER = ".huggingface-shared-blobs";
const HASH = /^[0-9a-f]{64}$/;

export interface SharedBlob {
  readonly path: string;
  readonly info: Deno.FileInfo;
}

/**
 * The shared file of a model's blob; `null` if the blob is not a link to one, or the file is gone.
 *
 * @param hub The Hugging Face cache.
 * @param blob `HUB/models--org--model/blobs/ETAG`.
 */
export async function sharedBlob(hub: string, blob: string): Promise<SharedBlob | null> {
  const path = await sharedTarget(hub, blob);
  const info = path === null ? null : await lstatOrNull(path);
  return path !== null && info?.isFile ? { path, info } : null;
}

/** Information about a blob, or about its shared file; `null` for anything else. */
export async function blobInfo(hub: string, blob: string): Promise<Deno.FileInfo | null> {
  const info = await lstatOrNull(blob);
  if (info?.isSymlink) return (await sharedBlob(hub, blob))?.info ?? null;
  return info?.isFile ? info : null;
}

/** The shared files of a model's blobs, by the blob's name. @param folder `HUB/models--org--model`. */
export async function sharedBlobsOf(hub: string, folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const { name, isSymlink } of await ownEntries(`${folder}/blobs`)) {
    const shared = isSymlink ? await sharedBlob(hub, `${folder}/blobs/${name}`) : null;
    if (shared !== null) found.set(name, shared.path);
  }
  return found;
}

/** Counts the links to each shared file in all repositories. @param without True for links not to count. */
export async function sharedBlobUses(
  hub: string,
  without: (link: string) => boolean,
): Promise<ReadonlyMap<string, number>> {
  const uses = new Map<string, number>();
  for (const { name: repository, isDirectory } of await entriesOf(hub)) {
    if (!isDirectory || !/^(?:models|datasets|spaces|kernels)--/.test(repository)) continue;
    for (const { name, isSymlink } of await ownEntries(`${hub}/${repository}/blobs`)) {
      const link = `${hub}/${repository}/blobs/${name}`;
      const target = isSymlink && !without(link) ? await sharedTarget(hub, link) : null;
      if (target !== null) uses.set(target, (uses.get(target) ?? 0) + 1);
    }
  }
  return uses;
}

/**
 * Removes a shared file without links, under the lock of Python's client. Keeps a file that is in use or in a
 * folder without Python's marker, and returns `false`.
 */
export async function removeSharedBlob(hub: string, path: string): Promise<boolean> {
  if (await readTextOrNull(`${hub}/blobs/${MARKER}`) !== "1\n") return false;
  if ((await lstatOrNull(`${path}.lock`))?.isSymlink) return false;
  using lock = await Deno.open(`${path}.lock`, { create: true, write: true });
  await lock.lock(true);
  if (((await sharedBlobUses(hub, () => false)).get(path) ?? 0) > 0) return false;
  const files = filesBelow(hub);
  files.remove(path);
  files.remove(`${path}.refs`);
  return true;
}

async function sharedTarget(hub: string, blob: string): Promise<string | null> {
  try {
    const [, prefix = "", hash = ""] =
      /^\.\.\/\.\.\/blobs\/([0-9a-f]{2})\/([^/]+)$/.exec(await Deno.readLink(blob)) ??
        [];
    return HASH.test(hash) && hash.startsWith(prefix) ? `${hub}/blobs/${prefix}/${hash}` : null;
  } catch {
    // Not a link, or just removed.
    return null;
  }
}
