import { partFault } from "../sources/safe_path.ts";
import { listFolder, lstatOrNull, removeIfThere } from "./files.ts";
import { readDamageMark } from "./judge/damage_mark.ts";
import { AIM_FOLDER } from "./layout.ts";
import { sharedBlob } from "./shared_blobs.ts";
import type { LayoutName } from "./types.ts";

const MARK = /^(?:([0-9a-f]{40})\.)?damaged\.json$/;

/** True where `cache verify` found files of a model bad, and nothing has replaced them since. */
export async function isMarkedDamaged(folder: string): Promise<boolean> {
  return (await listFolder(`${folder}/${AIM_FOLDER}`)).some(({ name }) => MARK.test(name));
}

/**
 * Removes the files that `cache verify` found bad, so that a download fetches them again, then the marks. The model is partial from
 * here on: nothing serves it. Call it under the model's lease.
 *
 * @param folder The model's own.
 */
export async function removeDamaged(folder: string, layout: LayoutName): Promise<void> {
  for (const { name } of await listFolder(`${folder}/${AIM_FOLDER}`)) {
    const found = MARK.exec(name);
    if (found === null) continue;
    const mark = `${folder}/${AIM_FOLDER}/${name}`;
    for (const path of (await readDamageMark(mark)).keys()) {
      // The mark may have come with a copy from anywhere.
      if (path.split("/").some((part) => partFault(part) !== null)) continue;
      if (layout === "local") await removeIfThere(`${folder}/${path}`);
      else if (found[1] !== undefined) await removeBlob(folder, `${folder}/snapshots/${found[1]}/${path}`);
    }
    await removeIfThere(mark);
  }
}

/** Removes the blob that a snapshot's link leads to, or the file itself where the file system has no links. */
async function removeBlob(folder: string, path: string): Promise<void> {
  const info = await lstatOrNull(path);
  if (info?.isFile) await removeIfThere(path);
  if (!info?.isSymlink) return;
  const [, name] = /^(?:\.\.\/)+blobs\/([^/]+)$/.exec(await Deno.readLink(path)) ?? [];
  if (name === undefined) return;
  const blob = `${folder}/blobs/${name}`;
  // Bad for every model that links to it: each finds it missing, and fetches it again.
  const shared = await sharedBlob(folder.replace(/\/[^/]*$/, ""), blob);
  if (shared !== null) await removeIfThere(shared.path);
  await removeIfThere(blob);
}
