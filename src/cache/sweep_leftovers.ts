import { entriesOf } from "./inspect_disk.ts";
import { lstatOrNull, removeIfThere } from "./files.ts";

/** What aim names partial and temporary files. */
const LEFTOVER = /\.aim-[0-9a-f]{8}\.incomplete(?:\.parts)?$|\.[0-9a-f]{8}\.tmp$/;

/** Milliseconds without a change after which nobody can be at work in a partial file: several times the stall timeout. */
const DEAD = 60 * 60_000;

/** Removes what processes that were killed left in folders, none of which is needed once the model is whole. */
export async function sweepLeftovers(folders: Iterable<string>): Promise<void> {
  for (const folder of folders) {
    for (const { name } of await entriesOf(folder)) {
      if (!LEFTOVER.test(name)) continue;
      const info = await lstatOrNull(`${folder}/${name}`);
      if (info === null || info.isDirectory || Date.now() - (info.mtime?.getTime() ?? 0) < DEAD) continue;
      await removeIfThere(`${folder}/${name}`);
    }
  }
}
