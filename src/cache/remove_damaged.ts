import { pathFault } from "../sources/safe_path.ts";
import { filesBelow } from "../os/files_below.ts";
import { entriesOf, lstatOrNull } from "./files.ts";
import { readDamageMark } from "./judge/damage_mark.ts";
import { AIM_FOLDER, folderOf } from "./layout.ts";
import { sharedBlob } from "./shared_blobs.ts";
import type { LayoutName } from "./types.ts";

const MARK = /^(?:([0-9a-f]{40})\.)?damaged\.json$/;

/** True if `cache verify` found bad files in a model that have not been replaced since. */
export async function isMarkedDamaged(folder: string): Promise<boolean> {
  return (await entriesOf(`${folder}/${AIM_FOLDER}`)).some(({ name }) => MARK.test(name));
}

/**
 * Removes the files that `cache verify` found bad, so that a download fetches them again, and then the marks.
 * This leaves the model partial. Call it under the model's lease.
 *
 * @param folder The model's folder.
 */
export async function removeDamaged(folder: string, layout: LayoutName): Promise<void> {
  // Marks and links may be part of a copied model, so no link is followed.
  const files = filesBelow(folder);
  for (const { name } of await entriesOf(`${folder}/${AIM_FOLDER}`)) {
    const found = MARK.exec(name);
    if (found === null) continue;
    const mark = `${folder}/${AIM_FOLDER}/${name}`;
    for (const path of (await readDamageMark(mark)).keys()) {
      if (pathFault(path) !== null) continue;
      if (layout === "local") files.remove(`${folder}/${path}`);
      else if (found[1] !== undefined) await removeBlob(folder, `${folder}/snapshots/${found[1]}/${path}`);
    }
    files.remove(mark);
  }
}

/** Removes the blob of a snapshot's link, or the file itself on a file system without links. */
async function removeBlob(folder: string, path: string): Promise<void> {
  const hub = folderOf(folder);
  const files = filesBelow(hub);
  const info = await lstatOrNull(path);
  if (info?.isFile) files.remove(path);
  if (!info?.isSymlink) return;
  const [, name] = /^(?:\.\.\/)+blobs\/([^/]+)$/.exec(await Deno.readLink(path)) ?? [];
  if (name === undefined) return;
  const blob = `${folder}/blobs/${name}`;
  // It is bad for all models that share it: each will download it again.
  const shared = await sharedBlob(hub, blob);
  if (shared !== null) files.remove(shared.path);
  files.remove(blob);
}
