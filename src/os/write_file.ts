import { errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "./files_below.ts";
import { temporaryOf } from "./temporary_of.ts";

/**
 * Writes a file whole or not at all, also where power is lost: beside it first, flushed to disk, then renamed. Its directory is not
 * flushed: until that is done, the file may be the old one after a loss of power.
 *
 * @param path Absolute, below the directory that `files` is of.
 * @throws {AimError} `no-space` where it cannot be written.
 */
export function writeFile(files: FilesBelow, path: string, text: string): void {
  const temporary = temporaryOf(path);
  try {
    try {
      using file = files.create(temporary);
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncDataSync();
    } catch (error) {
      files.remove(temporary);
      throw error;
    }
    files.rename(temporary, path);
  } catch (error) {
    throw errorFrom(error, `writing ${path}`);
  }
}
