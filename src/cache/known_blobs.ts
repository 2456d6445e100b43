import { errorFrom } from "../errors/from_unknown.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import { isAbsence } from "./files.ts";
import { AIM_FOLDER, isCommit, snapshotRecord } from "./layout.ts";
import { type ModelRecord, readRecord, type RecordedFile } from "./record.ts";

/** The records of a model's snapshots from this source, in the Hugging Face cache. */
export async function snapshotRecords(folder: string, source: string): Promise<ModelRecord[]> {
  const records: ModelRecord[] = [];
  try {
    for await (const { name } of Deno.readDir(`${folder}/${AIM_FOLDER}`)) {
      const commit = name.replace(/\.json$/, "");
      if (!isCommit(commit)) continue;
      const record = await readRecord(snapshotRecord(folder, commit));
      if (record?.source === source && record.commit === commit) records.push(record);
    }
  } catch (error) {
    if (!isAbsence(error)) throw errorFrom(error, `reading ${folder}/${AIM_FOLDER}`);
  }
  return records;
}

/** A recorded file of a snapshot. */
export interface KnownFile extends RecordedFile {
  readonly blob: string;
  readonly commit: string;
}

/** Finds recorded files with the same path, size and ETag: for S3, only the record knows the name of a blob. */
export function knownFiles(records: readonly ModelRecord[]): (file: ManifestFile) => KnownFile | null {
  const known = new Map<string, KnownFile>();
  for (const { commit, files } of records) {
    for (const file of files) {
      if (file.blob !== undefined && commit !== null) {
        known.set(keyOf(file), { ...file, blob: file.blob, commit });
      }
    }
  }
  return (file) => known.get(keyOf(file)) ?? null;
}

/** Files with the same key are the same file of a source. */
export function keyOf({ path, etag, size }: Pick<RecordedFile, "path" | "etag" | "size">): string {
  return `${path}\0${etag}\0${size}`;
}
