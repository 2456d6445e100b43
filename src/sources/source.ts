import type { ByteRange, Manifest, ManifestFile } from "./manifest.ts";

/** The bytes that a source sends for one request. The status is already checked. */
export interface RangeBody {
  /** The requested range, or the complete file if the server ignores `Range`. */
  readonly range: ByteRange;
  /** Not wrapped, so that it can be read in large pieces. May end early: count the bytes. */
  readonly body: ReadableStream<Uint8Array>;
}

export interface ManifestOptions {
  /** Branch, tag or commit (hub only). @default {"main"} */
  revision?: string | undefined;
  /** @default {a `pathFilter` without globs} */
  wanted?: (path: string) => boolean;
  signal?: AbortSignal | undefined;
}

/**
 * A source of a model: one manifest, then byte ranges of its files. Disposing of it closes its connections.
 */
export interface Source extends Disposable {
  /** Canonical: `hf://org/model` or `s3://bucket/prefix`. */
  readonly uri: string;

  /**
   * Lists the model's files at one commit.
   *
   * @throws {AimError} `unauthorized`, `not-found`, `network`.
   */
  manifest(options?: ManifestOptions): Promise<Manifest>;

  /**
   * Requests a range of a file that is not empty (`null`: the complete file), in one attempt: the transfer
   * retries.
   *
   * @throws {TransientError} a retry may help: connection reset, 408/425/429/5xx, an expired redirect.
   * @throws {SourceChangedError} the file has changed since the manifest (412, another ETag or total size).
   * @throws {AimError} a retry cannot help.
   */
  read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody>;
}

/** A failure that a retry may fix. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /** Minimum milliseconds to wait, from `Retry-After`; `null` without it. */
  readonly retryAfter: number | null;
  constructor(message: string, options: { retryAfter?: number | null; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfter = options.retryAfter ?? null;
  }
}

/** A file has changed since the manifest. The message names it. */
export class SourceChangedError extends Error {
  override readonly name = "SourceChangedError";
}
