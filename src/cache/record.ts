import type { Digest, Manifest } from "../sources/manifest.ts";
import { partFault } from "../sources/safe_path.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import type { Read } from "../os/read.ts";

/** Version of the record's format. */
const VERSION = 1;

/** One file of a record. */
export interface RecordedFile {
  readonly path: string;
  readonly size: number;
  readonly digest: Digest | null;
  /** The source's. */
  readonly etag: string;
  /** Name of the blob that holds it (Hugging Face cache only). */
  readonly blob?: string;
}

/**
 * What a model says of itself: `.aim/manifest.json` in a local directory, `.aim/<commit>.json` in a Hugging Face cache. It is written when
 * all files are there, last.
 */
export interface ModelRecord {
  readonly version: typeof VERSION;
  readonly source: string;
  readonly revision: string | null;
  readonly commit: string | null;
  readonly files: readonly RecordedFile[];
  /** RFC 3339. */
  readonly finishedAt: string;
  /** Files that a download which has not ended may have written; nothing says that they are whole. */
  readonly fetching?: readonly Pick<RecordedFile, "path" | "size">[];
}

/** Makes a record of a manifest. */
export function recordOf(
  manifest: Manifest,
  commit: string | null,
  blobs: ReadonlyMap<string, string> | null,
  now: Date,
): ModelRecord {
  const files = manifest.files.map((file): RecordedFile => {
    const blob = blobs?.get(file.path);
    return {
      path: file.path,
      size: file.size,
      digest: file.digest,
      etag: file.etag,
      ...(blob === undefined ? {} : { blob }),
    };
  });
  return {
    version: VERSION,
    source: manifest.source,
    revision: manifest.revision,
    commit,
    files,
    finishedAt: now.toISOString(),
  };
}

/** Reads a record. One that is there and is none (empty, cut, a directory, too large) is `failed`: damage, never "made by hand". */
export async function lookRecord(path: string): Promise<Read<ModelRecord>> {
  const text = await readRegularText(path);
  if (text.kind !== "ok") return text;
  try {
    const value: unknown = JSON.parse(text.value);
    if (isRecord(value)) return { kind: "ok", value };
  } catch { /* said below */ }
  const reason = text.value === "" ? "it is empty" : "it is not a record that this version understands";
  return { kind: "failed", reason };
}

/** The record at a path; `null` where there is none, or a damaged one. */
export async function readRecord(path: string): Promise<ModelRecord | null> {
  const record = await lookRecord(path);
  return record.kind === "ok" ? record.value : null;
}

/** True when a record tells of all these files as they are. */
export function covers(record: ModelRecord, manifest: Manifest): boolean {
  const known = new Map(record.files.map((file) => [file.path, file]));
  return manifest.files.every((file) => {
    const before = known.get(file.path);
    return before !== undefined && before.size === file.size && before.etag === file.etag;
  });
}

/** A record with the files of others that it does not have itself. */
export function withFiles(record: ModelRecord, others: readonly RecordedFile[]): ModelRecord {
  const files = new Map([...others, ...record.files].map((file) => [file.path, file]));
  return { ...record, files: [...files.values()].sort((a, b) => a.path < b.path ? -1 : 1) };
}

function isRecord(value: unknown): value is ModelRecord {
  if (typeof value !== "object" || value === null) return false;
  const { version, source, revision, commit, files, fetching = [] } = value as Partial<
    Record<keyof ModelRecord, unknown>
  >;
  return version === VERSION && isLine(source) && (revision === null || isLine(revision)) &&
    (commit === null || isLine(commit)) && Array.isArray(files) && files.every(isFile) &&
    Array.isArray(fetching) && fetching.every((file) => isSafe(file?.path) && typeof file.size === "number");
}

/** Text that may be printed. */
function isLine(value: unknown): boolean {
  // deno-lint-ignore no-control-regex
  return typeof value === "string" && !/[\x00-\x1f\x7f]/.test(value);
}

// A record arrives by rsync from who knows where: its paths are held to the same rules as a source's.
function isFile(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { path, size, etag, digest, blob } = value as Partial<Record<keyof RecordedFile, unknown>>;
  return isSafe(path) && typeof size === "number" && size >= 0 && typeof etag === "string" &&
    (digest === null || isDigest(digest)) &&
    (blob === undefined || (isSafe(blob) && !String(blob).includes("/")));
}

function isSafe(path: unknown): boolean {
  return typeof path === "string" && path.split("/").every((part) => partFault(part) === null);
}

function isDigest(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { algorithm, hex } = value as Partial<Record<keyof Digest, unknown>>;
  return typeof algorithm === "string" && typeof hex === "string";
}
