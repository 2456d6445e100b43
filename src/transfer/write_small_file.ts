import { createFile, renameFile } from "../os/mod.ts";
import { removePartial, renameOwned } from "./partial_file.ts";

/**
 * Writes a proven file in one piece and gives it its final name.
 *
 * @param path A name of this run's own beside the target, not yet there.
 * @throws {StagingLostError} when another process removed it meanwhile.
 */
export function writeSmallFile(path: string, target: string, bytes: Uint8Array<ArrayBuffer>): void {
  const created = createFile(path, bytes);
  if (created && renameFile(path, target)) return;
  try {
    if (!created) createSlowly(path, bytes);
    renameOwned(path, target);
  } catch (error) {
    removePartial(path);
    throw error;
  }
}

function createSlowly(path: string, bytes: Uint8Array): void {
  const file = Deno.openSync(path, { write: true, createNew: true });
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  } finally {
    file.close();
  }
}
