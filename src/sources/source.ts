import type { ByteRange, Manifest, ManifestFile } from "./manifest.ts";

/** The bytes that a source sends for one request. The status is already checked: this is data. */
export interface RangeBody {
  /** What will arrive: the range asked for, or the whole file where the server ignored `Range`. */
  readonly range: ByteRange;
  /**
   * `Content-Length` of a body straight from `fetch`, where the server sent one and the body is not
   * content-encoded. HTTP holds such a body to this length, so that it may be piped to a file unread; a body
   * without it is read chunk by chunk, and cut at the end of its range.
   */
  readonly length?: number | null;
  /**
   * Straight from `fetch`, not wrapped, so that `pipeTo(file.writable)` takes Deno's fast path. May end
   * early: count the bytes.
   */
  readonly body: ReadableStream<Uint8Array>;
}

/** Which files of a model are wanted. */
export interface ManifestOptions {
  /** Branch, tag or commit (hub only). @default {"main"} */
  revision?: string | undefined;
  /** Globs in the sense of Python's `fnmatch`, as `huggingface_hub`'s allow_patterns; empty means all. */
  include?: readonly string[];
  /** Globs of what is left out, after `include`. */
  exclude?: readonly string[];
  signal?: AbortSignal | undefined;
}

/**
 * A place that models come from. One manifest, then byte ranges of its files; the rest of the program knows
 * no more.
 */
export interface Source {
  /** Canonical: `hf://org/model` or `s3://bucket/prefix`. */
  readonly uri: string;

  /**
   * Lists the model's files at one commit.
   *
   * @throws {AimError} `unauthorized`, `not-found` (model, revision, bucket, or nothing under the prefix),
   * `network`.
   */
  manifest(options?: ManifestOptions): Promise<Manifest>;

  /**
   * Asks for a range of a file (`null`: all of it), bound to the file's ETag (`If-Match`, where the server
   * knows it). One attempt: retrying is the transfer's business. Redirects are followed here; a redirect that
   * has expired is resolved anew by the next call.
   *
   * @throws {TransientError} worth another attempt: connection reset, 408/425/429/5xx, an expired redirect;
   * with `retryAfter` in ms where the server gave it.
   * @throws {SourceChangedError} the file is no longer what the manifest says (412, another ETag, another
   * total size).
   * @throws {AimError} not worth another attempt.
   */
  read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody>;

  /** Closes connections and other resources. The source is not used after it. */
  close(): void;
}

/** A failure that another attempt may cure. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /** Milliseconds to wait at least, from `Retry-After`; `null` where the server gave none. */
  readonly retryAfter: number | null;
  constructor(message: string, options: { retryAfter?: number | null; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfter = options.retryAfter ?? null;
  }
}

/** The source has replaced the file since its manifest was taken. */
export class SourceChangedError extends Error {
  override readonly name = "SourceChangedError";
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}
