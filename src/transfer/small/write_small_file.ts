import { createFile, renameFile } from "../../os/new_files.ts";
import { removePartial, renameOwned } from "../large/partial_file.ts";

/** How a file is written. */
export interface WriteOptions {
  /**
   * Bring the data to where it is stored before the file is closed: where closing does that anyway, Deno's own call hides whether it could
   * be done. The C library's does not. @default {false}
   */
  readonly sync?: boolean;
}

/**
 * Writes a proven file in one piece and gives it its final name.
 *
 * @param path A name of this run's own beside the target, not yet there.
 * @throws {StagingLostError} when another process removed it meanwhile.
 */
export function writeSmallFile(
  path: string,
  target: string,
  bytes: Uint8Array<ArrayBuffer>,
  { sync = false }: WriteOptions = {},
): void {
  const created = createFile(path, bytes);
  if (created && renameFile(path, target)) return;
  try {
    if (!created) createSlowly(path, bytes, sync);
    renameOwned(path, target);
  } catch (error) {
    removePartial(path);
    throw error;
  }
}

function createSlowly(path: string, bytes: Uint8Array, sync: boolean): void {
  // One call of Deno's instead of three.
  if (!sync) return Deno.writeFileSync(path, bytes, { createNew: true });
  using file = Deno.openSync(path, { write: true, createNew: true });
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.syncDataSync();
}
