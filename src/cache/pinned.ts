import { errorFrom } from "../errors/from_unknown.ts";
import { isAbsence, lstatOrNull, makeInside } from "./files.ts";
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
      await makeInside(folder.path, [AIM_FOLDER]);
      await Deno.writeTextFile(pinOf(folder.path), "", { createNew: true });
    } else await Deno.remove(pinOf(folder.path));
    return true;
  } catch (error) {
    if (!pinned && isAbsence(error)) return false;
    throw errorFrom(error, `${pinned ? "pinning" : "unpinning"} ${folder.path}`);
  }
}

function pinOf(folder: string): string {
  return `${folder}/${AIM_FOLDER}/pinned`;
}
