import type { Digest, Manifest } from "../sources/manifest.ts";
import { pathFault } from "../sources/safe_path.ts";
import { type Read, readRegularText } from "../os/read_regular_file.ts";
import { fieldsOf, jsonOrNull } from "../values/json.ts";

const VERSION = 1;

export interface RecordedFile {
  readonly path: string;
  readonly size: number;
  readonly digest: Digest | null;
  readonly etag: string;
  /** Name of its blob (Hugging Face cache only). */
  readonly blob?: string | undefined;
}

/** The files of a complete model, and their source. Written last. */
export interface ModelRecord {
  readonly version: typeof VERSION;
  readonly source: string;
  readonly revision: string | null;
  readonly commit: string | null;
  readonly files: readonly RecordedFile[];
  /** RFC 3339. */
  readonly finishedAt: string;
  /** Files of an unfinished download, which may be incomplete. */
  readonly fetching?: readonly Pick<RecordedFile, "path" | "size">[];
}

/** Of files with the same path, the last one counts. */
export function recordOf(
  { source, revision }: Pick<Manifest, "source" | "revision">,
  commit: string | null,
  files: readonly RecordedFile[],
): ModelRecord {
  const recorded = files.map(({ path, size, digest, etag, blob }) => ({ path, size, digest, etag, blob }));
  const sorted = [...new Map(recorded.map((file) => [file.path, file])).values()]
    .sort((a, b) => a.path < b.path ? -1 : 1);
  return { version: VERSION, source, revision, commit, files: sorted, finishedAt: new Date().toISOString() };
}

/**
 * Reads a record. An invalid one (empty, cut off, a directory, too large) is damage, not a missing record.
 */
export async function lookRecord(path: string): Promise<Read<ModelRecord>> {
  const text = await readRegularText(path);
  if (text.kind !== "ok") return text;
  const value = jsonOrNull(text.value);
  if (isRecord(value)) return { kind: "ok", value };
  const reason = text.value === "" ? "it is empty" : "this version of aim cannot read it";
  return { kind: "failed", reason };
}

/** The record at a path; `null` if there is none or it is invalid. */
export async function readRecord(path: string): Promise<ModelRecord | null> {
  const record = await lookRecord(path);
  return record.kind === "ok" ? record.value : null;
}

function isRecord(value: unknown): value is ModelRecord {
  const { version, source, revision, commit, files, fetching = [] } = fieldsOf(value);
  return version === VERSION && isLine(source) && (revision === null || isLine(revision)) &&
    (commit === null || isLine(commit)) && Array.isArray(files) && files.every(isFile) &&
    Array.isArray(fetching) && fetching.every((file) => isSafe(file?.path) && typeof file.size === "number");
}

/** True for text without control characters. */
function isLine(value: unknown): boolean {
  // deno-lint-ignore no-control-regex
  return typeof value === "string" && !/[\x00-\x1f\x7f]/.test(value);
}

// A record may have been copied from anywhere, so its paths are checked like a source's.
function isFile(value: unknown): boolean {
  const { path, size, etag, digest, blob } = fieldsOf(value);
  return isSafe(path) && typeof size === "number" && size >= 0 && typeof etag === "string" &&
    (digest === null || isDigest(digest)) &&
    (blob === undefined || (isSafe(blob) && !String(blob).includes("/")));
}

function isSafe(path: unknown): boolean {
  return typeof path === "string" && pathFault(path) === null;
}

function isDigest(value: unknown): boolean {
  const { algorithm, hex } = fieldsOf(value);
  return typeof algorithm === "string" && typeof hex === "string";
}
