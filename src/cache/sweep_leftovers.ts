import { leftovers, stemOf } from "../transfer/staging_names.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { lstatOrNull } from "./files.ts";
import { entriesOf } from "./inspect_disk.ts";
import { AIM_FOLDER } from "./layout.ts";

/** What aim names files that it is about to rename, beside the model's and among its own. */
const LINK = /^\.link\.aim-[0-9a-f]{8}\.incomplete$/;
const TEMPORARY = /\.[0-9a-f]{8}\.tmp$/;

/** Milliseconds without a change after which nobody can be at work in a partial file: several times the stall timeout. */
const DEAD = 60 * 60_000;

/**
 * Removes what processes that were killed left in a model's folders and is of no use, since the files are whole: their partial files, and
 * temporary ones. Partial files of others, as of another revision's, wait for their download to go on.
 *
 * @param folders Relative to the directory; its `.aim` is always looked at.
 * @param names Of the files that are whole, without folders, as they are staged.
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
      // A file of the model may have such a name.
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
