import { errorFrom } from "../errors/from_unknown.ts";
import { filesBelow } from "../os/files_below.ts";
import { makeDirectories } from "../os/make_directories.ts";
import { lstatOrNull } from "./files.ts";
import { AIM_FOLDER } from "./layout.ts";
import type { ModelFolder } from "./list_models.ts";

/** True where a model is kept whatever `cache prune --older-than` and `--keep` say. */
export async function isPinned({ path }: Pick<ModelFolder, "path">): Promise<boolean> {
  return (await lstatOrNull(pinOf(path)))?.isFile === true;
}

/**
 * Pins a model, or lets it go again. Returns whether that changed anything.
 *
 * @throws {AimError} `no-space` where this user may not write there.
 */
export async function setPinned(folder: Pick<ModelFolder, "path">, pinned: boolean): Promise<boolean> {
  if (await isPinned(folder) === pinned) return false;
  try {
    if (pinned) {
      makeDirectories(folder.path, [`${folder.path}/${AIM_FOLDER}`]);
      filesBelow(folder.path).create(pinOf(folder.path)).close();
    } else filesBelow(folder.path).remove(pinOf(folder.path));
    return true;
  } catch (error) {
    throw errorFrom(error, `${pinned ? "pinning" : "unpinning"} ${folder.path}`);
  }
}

function pinOf(folder: string): string {
  return `${folder}/${AIM_FOLDER}/pinned`;
}
