import type { Digest } from "../../sources/manifest.ts";
import type { DigestSpec } from "../hash/digests.ts";
import type { ComputedDigests, FileNote } from "../types.ts";

/** A file whose bytes are in memory, and what is to become of it. Plain data, it crosses to a worker. */
export interface PublishEntry {
  /** Where its bytes begin in the batch's memory. */
  readonly at: number;
  /** Bytes. */
  readonly size: number;
  readonly specs: readonly DigestSpec[];
  /** What must match before the file gets its name; `null` where nothing is to be compared. */
  readonly digest: Digest | null;
  /** As in `TransferItem`. */
  readonly staging: string;
  readonly target: string;
  readonly note: FileNote | null;
}

/** What became of a file. */
export type PublishOutcome =
  /** `noted`: the time in its note, milliseconds since 1970; `null` where there is none of this run. */
  | { readonly kind: "written"; readonly digests: ComputedDigests; readonly noted: number | null }
  /** Nothing of it is on disk: the bytes are not the source's. */
  | { readonly kind: "different"; readonly digests: ComputedDigests }
  /** Nothing of it is on disk: the bytes are right, and writing or renaming them failed. */
  | { readonly kind: "unwritten"; readonly digests: ComputedDigests }
  /** It was not looked at, since the transfer ends. */
  | { readonly kind: "skipped" };

/** What the worker is told, first of all. */
export interface PublishStart {
  readonly type: "start";
  /** One number, not zero as soon as the transfer ends. */
  readonly stopped: Int32Array<SharedArrayBuffer>;
  /** As in `WriteOptions`. */
  readonly sync: boolean;
}

/** Files in one piece of memory, which goes to the worker. */
export interface PublishBatch {
  readonly type: "batch";
  readonly memory: ArrayBuffer;
  readonly entries: readonly PublishEntry[];
}

/** The answer to a batch, in the order in which they were sent: one outcome for each entry, and the memory comes back. */
export interface PublishReply {
  readonly memory: ArrayBuffer;
  readonly outcomes: readonly PublishOutcome[];
}
