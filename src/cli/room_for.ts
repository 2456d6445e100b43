import { diskUse } from "../cache/inspect_disk.ts";
import { freeBytes } from "../transfer/free_space.ts";
import { formatBytes } from "./format.ts";

/** Free space against what a download still has to write, in bytes. */
export interface Room {
  readonly summary: string;
  readonly freeBytes: number;
  readonly neededBytes: number;
}

/**
 * Compares free space with a model's size, less what an interrupted download has already written.
 *
 * @param folder The model's own, which need not exist yet.
 * @returns `null` if the file system does not report its free space.
 */
export async function roomFor(folder: string, modelBytes: number): Promise<Room | null> {
  const space = await freeBytes(folder);
  if (space === null) return null;
  const neededBytes = Math.max(0, modelBytes - (await diskUse(folder)).bytes);
  const fault = space.free >= neededBytes ? "" : ": too little, the download would end with exit 7";
  return {
    summary: `${formatBytes(space.free)} free at ${space.at}, ${
      formatBytes(neededBytes)
    } to download${fault}`,
    freeBytes: space.free,
    neededBytes,
  };
}
