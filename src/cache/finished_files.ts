import { errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import type { TransferredFile } from "../transfer/types.ts";
import { AIM_FOLDER } from "./layout.ts";

// `.aim/finished.jsonl`: a line for each finished file of a download, until the model is complete. After a kill, the
// next download need not hash these files.

/** Name of the log, relative to the model's directory. */
export const FINISHED = `${AIM_FOLDER}/finished.jsonl`;

interface FinishedFile {
  readonly source: string;
  readonly path: string;
  readonly etag: string;
  readonly size: number;
  /** Relative to the model's directory. */
  readonly at: string;
  /** Identify the file, in case another one replaces it. Milliseconds since 1970. */
  readonly inode: number | null;
  readonly modified: number;
}

export class FinishedLog implements Disposable {
  readonly #directory: string;
  readonly #source: string;
  readonly #log: Deno.FsFile;

  /** @throws {AimError} `no-space` if it cannot be written. */
  constructor(files: FilesBelow, directory: string, source: string) {
    this.#directory = directory;
    this.#source = source;
    const path = `${directory}/${FINISHED}`;
    try {
      this.#log = openOrCreate(files, path);
      this.#log.seekSync(0, Deno.SeekMode.End);
    } catch (error) {
      throw errorFrom(error, `writing ${path}`);
    }
  }

  add({ file, target }: TransferredFile): void {
    try {
      const { ino, mtime } = Deno.lstatSync(target);
      const line: FinishedFile = {
        source: this.#source,
        path: file.path,
        etag: file.etag,
        size: file.size,
        at: target.slice(this.#directory.length + 1),
        inode: ino,
        modified: mtime?.getTime() ?? 0,
      };
      this.#log.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
    } catch { /* The file would only be hashed again after a kill. */ }
  }

  [Symbol.dispose](): void {
    this.#log.close();
  }
}

function openOrCreate(files: FilesBelow, path: string): Deno.FsFile {
  try {
    return files.create(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return files.open(path);
  }
}

/**
 * Reads a model's log. Returns a function that finds the path of a finished file, relative to the model's directory;
 * `null` if it is not finished or has changed.
 */
export async function finishedFiles(
  directory: string,
  source: string,
): Promise<(file: ManifestFile) => string | null> {
  const text = await readRegularText(`${directory}/${FINISHED}`);
  const lines = text.kind === "ok" ? text.value.split("\n") : [];
  const known = new Map<string, FinishedFile>();
  for (const line of lines) {
    const entry = parse(line);
    if (entry?.source === source) known.set(entry.path, entry);
  }
  return ({ path, etag, size }) => {
    const entry = known.get(path);
    if (entry === undefined || entry.etag !== etag || entry.size !== size) return null;
    try {
      const info = Deno.lstatSync(`${directory}/${entry.at}`);
      const same = info.isFile && info.size === size && info.ino === entry.inode &&
        info.mtime?.getTime() === entry.modified;
      return same ? entry.at : null;
    } catch {
      return null;
    }
  };
}

/** `null` for the last line if it is cut. */
function parse(line: string): FinishedFile | null {
  try {
    const { source, path, etag, size, at, inode, modified } = JSON.parse(line);
    const right = [source, path, etag, at].every((text) => typeof text === "string") &&
      [size, inode, modified].every((number) => typeof number === "number");
    return right ? { source, path, etag, size, at, inode, modified } : null;
  } catch {
    return null;
  }
}
