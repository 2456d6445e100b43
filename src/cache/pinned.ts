import { errorFrom } from "../errors/from_unknown.ts";
import { filesBelow, makeDirectories } from "../os/files_below.ts";
import { lstatOrNull } from "./files.ts";
import { AIM_FOLDER } from "./layout.ts";
import type { ModelFolder } from "./list_models.ts";

/** True if `cache prune --older-than` and `--keep` must not remove a model. */
export async function isPinned({ path }: Pick<ModelFolder, "path">): Promise<boolean> {
  return (await lstatOrNull(pinOf(path)))?.isFile === true;
}

/** Pins or unpins a model. @throws {AimError} `no-space` if this user may not write there. */
export async function setPinned(folder: Pick<ModelFolder, "path">, pinned: boolean): Promise<void> {
  if (await isPinned(folder) === pinned) return;
  try {
    if (pinned) {
      makeDirectories(folder.path, [`${folder.path}/${AIM_FOLDER}`]);
      filesBelow(folder.path).create(pinOf(folder.path)).close();
    } else filesBelow(folder.path).remove(pinOf(folder.path));
  } catch (error) {
    throw errorFrom(error, `${pinned ? "pinning" : "unpinning"} ${folder.path}`);
  }
}

function pinOf(folder: string): string {
  return `${folder}/${AIM_FOLDER}/pinned`;
}
