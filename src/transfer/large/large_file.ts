import type { ByteRange } from "../../sources/manifest.ts";
import type { DigestSpec } from "../hash/digests.ts";
import type { HashJob } from "../hash/hash_pool.ts";
import { prefixEnd } from "../ranges.ts";
import type { TransferItem } from "../types.ts";
import type { PartialFile } from "./partial_file.ts";

/** A large file under way. */
export interface LargeFile {
  readonly kind: "large";
  readonly item: TransferItem;
  readonly specs: readonly DigestSpec[];
  /** Changes when the file is restarted: a part that was planned for another one is no longer wanted. */
  partial: PartialFile;
  hash: HashJob | null;
  state: FileState;
  /** Times that it was restarted: its digest was wrong, or another process took the partial file. */
  rejected: number;
  stolen: number;
}

/** How a large file is downloaded. */
export type FileState =
  /** In parts, over several connections. */
  | { readonly kind: "parts" }
  /** The server sends only complete files: this part is all of it, in one stream. */
  | { readonly kind: "stream"; readonly owner: PartOwner }
  /** All bytes are on disk. */
  | { readonly kind: "proving" };

/** Stands for the download of one part, over all its attempts. */
export type PartOwner = Readonly<Record<never, never>>;

/** A connection that is downloading bytes of a file. */
export interface Flow {
  readonly file: LargeFile;
  readonly owner: PartOwner;
  readonly abort: AbortController;
  /**
   * The range of the file that it downloads. The end moves nearer if another connection takes over the rest.
   */
  range: { start: number; end: number };
  /** Up to where it has written. */
  at: number;
  /**
   * When the last byte came, in milliseconds; `null` while the connection waits for bandwidth or the disk.
   */
  moved: number | null;
  state: FlowState;
}

/** What a connection is doing. */
export type FlowState =
  | { readonly kind: "asking" }
  /** Bytes arrive since a moment in milliseconds; `divisible`: another connection may take over the rest. */
  | { readonly kind: "flowing"; readonly since: number; readonly divisible: boolean }
  /** Its bytes are no longer wanted: neither counted nor recorded. */
  | { readonly kind: "dropped" };

/**
 * How far a file reaches from its first byte without a gap, unfinished parts included. Called for every
 * chunk: it allocates nothing.
 */
export function reachedBy<F>(
  file: F,
  done: readonly ByteRange[],
  flows: ReadonlySet<
    Pick<Flow, "range" | "at"> & { readonly file: F; readonly state: Pick<FlowState, "kind"> }
  >,
): number {
  let end = prefixEnd(done);
  for (let before = -1; before < end;) {
    before = end;
    for (const flow of flows) {
      if (flow.file !== file || flow.state.kind === "dropped") continue;
      if (flow.range.start <= end && flow.at > end) end = flow.at;
    }
    // Beyond a flow's end there may be a part that is done.
    for (const range of done) if (range.start <= end && range.end > end) end = range.end;
  }
  return end;
}
