import { errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { readTextOrNull, statOrNull } from "./files.ts";

// For a model in a local directory, Python's huggingface_hub records the download of each file in
// `.cache/huggingface/download/<path>.metadata`, three lines: commit, ETag, seconds since 1970
// (`_local_folder.py`).

export const DOWNLOADS = ".cache/huggingface/download";

export function metadataPath(path: string): string {
  return `${DOWNLOADS}/${path}.metadata`;
}

/** A file's metadata; `null` if there is none, or if the file is more than a second newer. */
export async function readMetadata(
  directory: string,
  path: string,
): Promise<{ readonly commit: string; readonly etag: string } | null> {
  const text = await readTextOrNull(`${directory}/${metadataPath(path)}`);
  const [commit = "", etag = "", time = ""] = text?.split("\n") ?? [];
  const timestamp = Number(time);
  if (text === null || etag === "" || time.trim() === "" || !Number.isFinite(timestamp)) return null;
  const modified = (await statOrNull(`${directory}/${path}`))?.mtime?.getTime();
  if (modified === undefined || modified / 1000 - 1 > timestamp) return null;
  return { commit, etag };
}

/**
 * Writes a file's metadata into an existing folder. Not flushed: if it is cut off, neither Python nor aim
 * accepts it.
 */
export function writeMetadata(
  files: FilesBelow,
  directory: string,
  path: string,
  { commit, etag, timestamp }: { commit: string; etag: string; timestamp: number },
): void {
  const target = `${directory}/${metadataPath(path)}`;
  try {
    files.write(target, new TextEncoder().encode(`${commit}\n${etag}\n${timestamp}\n`));
  } catch (error) {
    throw errorFrom(error, `writing ${target}`);
  }
}
