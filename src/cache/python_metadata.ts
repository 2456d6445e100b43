import { errorFrom } from "../errors/from_unknown.ts";
import { createFile } from "../os/new_files.ts";
import type { FileNote } from "../transfer/types.ts";
import { readTextOrNull, statOrNull, writeAtomically } from "./files.ts";

// Python's huggingface_hub keeps, for a model in a local directory, what each file was downloaded as:
// `.cache/huggingface/download/<path>.metadata`, three lines: commit, ETag, seconds since 1970 (`_local_folder.py`).

/** Where Python keeps what it knows of downloads, relative to the model directory. */
export const DOWNLOADS = ".cache/huggingface/download";

/** Where Python keeps a file's metadata, relative to the model directory. */
export function metadataPath(path: string): string {
  return `${DOWNLOADS}/${path}.metadata`;
}

/** What Python (or aim in its place) wrote of a file. */
export interface FileMetadata {
  readonly commit: string;
  readonly etag: string;
  /** Seconds. */
  readonly timestamp: number;
}

/**
 * Reads a file's metadata; `null` where there is none, or where the file was changed afterwards (as Python sees it: more than a second
 * later).
 */
export async function readMetadata(directory: string, path: string): Promise<FileMetadata | null> {
  const text = await readTextOrNull(`${directory}/${metadataPath(path)}`);
  const [commit = "", etag = "", time = ""] = text?.split("\n") ?? [];
  const timestamp = Number(time);
  if (text === null || etag === "" || time.trim() === "" || !Number.isFinite(timestamp)) return null;
  const modified = (await statOrNull(`${directory}/${path}`))?.mtime?.getTime();
  if (modified === undefined || modified / 1000 - 1 > timestamp) return null;
  return { commit, etag, timestamp };
}

/** A file's metadata, for a transfer to write. */
export function metadataNote(directory: string, path: string, commit: string, etag: string): FileNote {
  return { path: `${directory}/${metadataPath(path)}`, head: `${commit}\n${etag}\n` };
}

/**
 * Writes a file's metadata as Python does. Its folder must be there. A torn one is no harm: neither Python nor aim believes a
 * timestamp that is missing its end.
 */
export async function writeMetadata(directory: string, path: string, metadata: FileMetadata): Promise<void> {
  const text = `${metadata.commit}\n${metadata.etag}\n${metadata.timestamp}\n`;
  const target = `${directory}/${metadataPath(path)}`;
  if (createFile(target, new TextEncoder().encode(text))) return;
  try {
    Deno.writeTextFileSync(target, text, { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw errorFrom(error, `writing ${target}`);
    // What is there may be a link: it is replaced, not written through.
    await writeAtomically(target, text);
  }
}
