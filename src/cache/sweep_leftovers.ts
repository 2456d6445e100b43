import { leftovers, stemOf } from "../transfer/staging_names.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { entriesOf, lstatOrNull } from "./files.ts";
import { AIM_FOLDER } from "./layout.ts";

/** Names of aim's temporary files, beside the model's files and in its own folder. */
const LINK = /^\.link\.aim-[0-9a-f]{8}\.incomplete$/;
const TEMPORARY = /\.[0-9a-f]{8}\.tmp$/;

/** Milliseconds without a change after which a partial file is abandoned: several times the stall timeout. */
const DEAD = 60 * 60_000;

/**
 * Removes temporary files that killed processes have left in a model's folders, and partial files of files that are
 * complete now. Other partial files, such as another revision's, stay for their own download.
 *
 * @param folders Relative to the directory, in addition to its `.aim`.
 * @param names Names of the complete files while they are downloaded, without folders.
 */
export async function sweepLeftovers(
  below: FilesBelow,
  directory: string,
  folders: Iterable<string>,
  names: readonly string[],
): Promise<void> {
  const own = new Set(names);
  const whole = new Set(names.map(stemOf));
  for (const folder of new Set([...folders, AIM_FOLDER])) {
    const path = folder === "" ? directory : `${directory}/${folder}`;
    const found = (await entriesOf(path)).filter((entry) => !entry.isDirectory).map((entry) => entry.name);
    for (const name of found) {
      // The model itself may have a file of such a name.
      if (own.has(name)) continue;
      const [stem] = leftovers([name]).keys();
      const isLeft = stem !== undefined && whole.has(stem);
      if (!isLeft && !(folder === AIM_FOLDER ? TEMPORARY : LINK).test(name)) continue;
      const info = await lstatOrNull(`${path}/${name}`);
      if (info === null || Date.now() - (info.mtime?.getTime() ?? 0) < DEAD) continue;
      below.remove(`${path}/${name}`);
    }
  }
}
