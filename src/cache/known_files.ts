import { errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import type { TransferredFile } from "../transfer/types.ts";
import { entriesOf } from "./files.ts";
import { AIM_FOLDER, isCommit } from "./layout.ts";
import { type ModelRecord, readRecord, type RecordedFile } from "./record.ts";
import { jsonOrNull } from "../values/json.ts";

// Files on disk that are known to be complete without hashing them: those in a record, and those that an
// interrupted download has finished.

/** Files with the same key are the same file of a source. */
export function keyOf({ path, etag, size }: Pick<RecordedFile, "path" | "etag" | "size">): string {
  return `${path}\0${etag}\0${size}`;
}

/** The records of a folder's snapshots from this source, by commit. */
export async function snapshotRecords(
  folder: string,
  source: string,
): Promise<ReadonlyMap<string, ModelRecord>> {
  const records = new Map<string, ModelRecord>();
  for (const { name } of await entriesOf(`${folder}/${AIM_FOLDER}`)) {
    const commit = name.replace(/\.json$/, "");
    if (!isCommit(commit)) continue;
    const record = await readRecord(`${folder}/${AIM_FOLDER}/${name}`);
    if (record?.source === source && record.commit === commit) records.set(commit, record);
  }
  return records;
}

/**
 * A function that finds a file in the records of a folder's snapshots: for S3, only they know the name of its
 * blob.
 */
export async function knownFiles(
  folder: string,
  source: string,
): Promise<(file: ManifestFile) => { readonly blob: string; readonly commit: string } | null> {
  const known = new Map<string, { blob: string; commit: string }>();
  for (const [commit, { files }] of await snapshotRecords(folder, source)) {
    for (const file of files) {
      if (file.blob !== undefined) known.set(keyOf(file), { blob: file.blob, commit });
    }
  }
  return (file) => known.get(keyOf(file)) ?? null;
}

/**
 * Lists the finished files of a download until the model is complete, so that they are not hashed again after
 * a kill.
 */
export const FINISHED = `${AIM_FOLDER}/finished.jsonl`;

/** The path is relative to the model's directory. */
type FinishedLine = readonly [key: string, path: string, stamp: string];

export interface FinishedLog extends Disposable {
  add(file: TransferredFile): void;
}

/** Opens a model's log. @throws {AimError} `no-space` if it cannot be written. */
export function finishedLog(files: FilesBelow, directory: string, source: string): FinishedLog {
  const log = openLog(files, `${directory}/${FINISHED}`);
  return {
    add({ file, target }) {
      const line = [`${source}\0${keyOf(file)}`, target.slice(directory.length + 1), stampOf(target)];
      try {
        log.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
      } catch { /* The file would only be hashed again after a kill. */ }
    },
    [Symbol.dispose]: () => log.close(),
  };
}

function openLog(files: FilesBelow, path: string): Deno.FsFile {
  try {
    return files.append(path);
  } catch (error) {
    throw errorFrom(error, `writing ${path}`);
  }
}

/** A function that finds the path of a finished file, relative to the model's directory. */
export async function finishedFiles(
  directory: string,
  source: string,
): Promise<(file: ManifestFile) => string | null> {
  const text = await readRegularText(`${directory}/${FINISHED}`);
  const lines = text.kind === "ok" ? text.value.split("\n").map(jsonOrNull).filter(isLine) : [];
  const known = new Map(lines.map((line) => [line[0], line]));
  return (file) => {
    const [, path, stamp] = known.get(`${source}\0${keyOf(file)}`) ?? [];
    return path !== undefined && stampOf(`${directory}/${path}`) === stamp ? path : null;
  };
}

/** False for a last line that is cut off. */
function isLine(value: unknown): value is FinishedLine {
  return Array.isArray(value) && value.length === 3 && value.every((part) => typeof part === "string");
}

/** Changes when a file is replaced or written; `null` if it is not a regular file. */
function stampOf(path: string): string | null {
  try {
    const { isFile, ino, size, mtime } = Deno.lstatSync(path);
    return isFile ? `${ino} ${size} ${mtime?.getTime()}` : null;
  } catch {
    return null;
  }
}
