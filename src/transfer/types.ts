import type { DigestAlgorithm, ManifestFile } from "../sources/manifest.ts";

/** One file to download: what it is, where it is written during the download, and its final path. */
export interface TransferItem {
  readonly file: ManifestFile;
  /**
   * Absolute path that stands for the partial file: `NAME.incomplete`, on the target's file system. Each run
   * writes to `NAME.aim-<8 hex digits>.incomplete` beside it, with the part record at that name and `.parts`.
   */
  readonly staging: string;
  /** Digests needed in addition to the one that proves the file: a cache may name files by SHA-256. */
  readonly compute: readonly DigestAlgorithm[];
  /** The absolute final path, given the digests that are known once the file is proven. */
  readonly target: (digests: ComputedDigests) => string;
}

/** Digests of a file's bytes by algorithm, hex. */
export type ComputedDigests = Readonly<Partial<Record<DigestAlgorithm, string>>>;

export interface TransferOptions {
  /** Maximum connections over all files. */
  readonly jobs: number;
  /** Maximum bytes per part; `null`: chosen by the sizes of the files. */
  readonly partSize: number | null;
  /** Bytes per second over all connections; `null`: no limit. */
  readonly maxBandwidth: number | null;
  /** Milliseconds without a byte after which a connection counts as stalled. */
  readonly stallTimeout: number;
  /** Check digests. Sizes are always checked. */
  readonly verify: boolean;
  /** What part records are bound to, with a file's ETag and size: a commit, or the URI of the source. */
  readonly revision: string;
  /** Absolute path of a trusted directory that contains all written files. Below it no link is followed. */
  readonly root: string;
  readonly signal: AbortSignal;
  readonly onEvent?: (event: TransferEvent) => void;
  /** Called with each file that is on disk under its final name. */
  readonly onFile?: (file: TransferredFile) => void;
  /** @default {the system's} */
  readonly clock?: Clock;
}

export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Resolves after `ms`, rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export type FileState = "active" | "verifying" | "done" | "failed";

/** What happens in a transfer; rendering is done elsewhere. */
export type TransferEvent =
  | {
    readonly type: "start";
    readonly files: number;
    readonly bytes: number;
    readonly bytesPresent: number;
    /** The files come out of local archives, not over the network. @default {false} */
    readonly unpacking?: boolean;
  }
  | { readonly type: "file"; readonly path: string; readonly state: FileState; readonly size: number }
  /** `bytes` since the last event of this file; negative when bytes are discarded. */
  | { readonly type: "bytes"; readonly path: string; readonly bytes: number }
  | {
    readonly type: "retry";
    readonly path: string;
    readonly attempt: number;
    readonly delay: number;
    readonly reason: string;
  }
  | { readonly type: "end" } & Omit<TransferResult, "files">;

export interface TransferredFile {
  readonly file: ManifestFile;
  readonly target: string;
  readonly digests: ComputedDigests;
  /** How the bytes were proven; `size` if verification is off or the source stores no digest. */
  readonly proof: "digest" | "size";
}

export interface TransferResult {
  readonly files: readonly TransferredFile[];
  /** Bytes received over the network, kept or not. */
  readonly bytesMoved: number;
  /** Bytes kept from an earlier run. */
  readonly bytesPresent: number;
  /** Milliseconds. */
  readonly elapsed: number;
}
