import { errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import type { TransferredFile } from "../transfer/types.ts";
import { entriesOf } from "./files.ts";
import { AIM_FOLDER, isCommit, snapshotRecord } from "./layout.ts";
import { type ModelRecord, readRecord, type RecordedFile } from "./record.ts";
import { jsonOrNull } from "../values/json.ts";

// Which files on disk are complete without hashing them: those in a record, and those of an interrupted download.

/** Files with the same key are the same file of a source. */
export function keyOf({ path, etag, size }: Pick<RecordedFile, "path" | "etag" | "size">): string {
  return `${path}\0${etag}\0${size}`;
}

export interface SnapshotRecord extends ModelRecord {
  readonly commit: string;
}

/** The records of a model's snapshots from this source, in the Hugging Face cache. */
export async function snapshotRecords(folder: string, source: string): Promise<SnapshotRecord[]> {
  const records: SnapshotRecord[] = [];
  for (const { name } of await entriesOf(`${folder}/${AIM_FOLDER}`)) {
    const commit = name.replace(/\.json$/, "");
    if (!isCommit(commit)) continue;
    const record = await readRecord(snapshotRecord(folder, commit));
    if (record?.source === source && record.commit === commit) records.push({ ...record, commit });
  }
  return records;
}

export interface KnownFile {
  readonly blob: string;
  readonly commit: string;
}

/**
 * Returns a function that finds a recorded file with the same path, size and ETag in the snapshots of a folder: for S3,
 * only the record knows the name of a blob.
 */
export async function knownFiles(
  folder: string,
  source: string,
): Promise<(file: ManifestFile) => KnownFile | null> {
  const known = new Map<string, KnownFile>();
  for (const { commit, files } of await snapshotRecords(folder, source)) {
    for (const file of files) {
      if (file.blob !== undefined) known.set(keyOf(file), { blob: file.blob, commit });
    }
  }
  return (file) => known.get(keyOf(file)) ?? null;
}

/**
 * A log with a line for each finished file of a download, until the model is complete; relative to the model's directory.
 * After a kill, the next download need not hash these files.
 */
export const FINISHED = `${AIM_FOLDER}/finished.jsonl`;

/** The file is relative to the model's directory. Inode and time (milliseconds since 1970) show if it was replaced. */
type FinishedLine = readonly [source: string, key: string, file: string, inode: number | null, time: number];

export interface FinishedLog extends Disposable {
  add(file: TransferredFile): void;
}

/** @throws {AimError} `no-space` if it cannot be written. */
export function finishedLog(files: FilesBelow, directory: string, source: string): FinishedLog {
  const log = openOrCreate(files, `${directory}/${FINISHED}`);
  return {
    add({ file, target }) {
      try {
        const { ino, mtime } = Deno.lstatSync(target);
        const path = target.slice(directory.length + 1);
        const line: FinishedLine = [source, keyOf(file), path, ino, mtime?.getTime() ?? 0];
        log.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
      } catch { /* The file would only be hashed again after a kill. */ }
    },
    [Symbol.dispose]: () => log.close(),
  };
}

function openOrCreate(files: FilesBelow, path: string): Deno.FsFile {
  try {
    let file: Deno.FsFile;
    try {
      file = files.create(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      file = files.open(path);
    }
    file.seekSync(0, Deno.SeekMode.End);
    return file;
  } catch (error) {
    throw errorFrom(error, `writing ${path}`);
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
  const lines = text.kind === "ok" ? text.value.split("\n").map(lineOf) : [];
  const known = new Map(lines.flatMap((line) => line?.[0] === source ? [[line[1], line]] : []));
  return (file) => {
    const [, , path, inode, time] = known.get(keyOf(file)) ?? [];
    if (path === undefined) return null;
    try {
      const { isFile, size, ino, mtime } = Deno.lstatSync(`${directory}/${path}`);
      return isFile && size === file.size && ino === inode && mtime?.getTime() === time ? path : null;
    } catch {
      return null;
    }
  };
}

/** `null` for the last line if it is cut. */
function lineOf(text: string): FinishedLine | null {
  const line = jsonOrNull(text);
  const isLine = Array.isArray(line) && line.slice(0, 3).every((part) => typeof part === "string");
  return isLine ? line as unknown as FinishedLine : null;
}
