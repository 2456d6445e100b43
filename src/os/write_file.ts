import { errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "./files_below.ts";

/**
 * Writes a file completely or not at all: under another name first, flushed, then renamed. Until its
 * directory is flushed, a power loss may restore the old file.
 *
 * @throws {AimError} `no-space` if it cannot be written.
 */
export function writeFile(files: FilesBelow, path: string, text: string): void {
  const temporary = temporaryOf(path);
  try {
    try {
      using file = files.create(temporary);
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncDataSync();
      files.rename(temporary, path);
    } catch (error) {
      files.remove(temporary);
      throw error;
    }
  } catch (error) {
    throw errorFrom(error, `writing ${path}`);
  }
}

/** A new, short temporary name in the same folder. A killed process may leave such a file. */
export function temporaryOf(path: string): string {
  return `${path.slice(0, path.lastIndexOf("/"))}/.aim.${crypto.randomUUID().slice(0, 8)}.tmp`;
}
