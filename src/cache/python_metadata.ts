import { errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { readTextOrNull, statOrNull } from "./files.ts";

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

/**
 * Writes a file's metadata as Python does. Its folder must be there. A torn one is no harm: neither Python nor aim believes a
 * timestamp that is missing its end.
 */
export function writeMetadata(
  files: FilesBelow,
  directory: string,
  path: string,
  { commit, etag, timestamp }: FileMetadata,
): void {
  const target = `${directory}/${metadataPath(path)}`;
  const bytes = new TextEncoder().encode(`${commit}\n${etag}\n${timestamp}\n`);
  try {
    try {
      files.write(target, bytes);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      // It may be a link, or shared with another directory: it is replaced, not written to.
      files.remove(target);
      files.write(target, bytes);
    }
  } catch (error) {
    throw errorFrom(error, `writing ${target}`);
  }
}
