import type { ByteRange } from "../../sources/manifest.ts";
import type { DigestSpec } from "../hash/digests.ts";
import type { HashJob } from "../hash/hash_pool.ts";
import type { PartialFile } from "./partial_file.ts";
import { prefixEnd } from "../ranges.ts";
import type { TransferItem } from "../types.ts";

/** A large file under way. */
export interface LargeFile {
  readonly kind: "large";
  readonly item: TransferItem;
  readonly specs: readonly DigestSpec[];
  partial: PartialFile;
  hash: HashJob | null;
  /** Times that it was begun from nothing because its digest was wrong. */
  rejected: number;
  /** Times that another process took the partial file. */
  stolen: number;
  /** Counts how often it was begun anew; a part of an earlier round is no longer wanted. */
  round: number;
  /** The server sends whole files only; this part brings all of it. */
  streamer: PartOwner | null;
  /** A piped body ended early and without an error: from then on bodies are read here, and counted. */
  careful: boolean;
  finishing: boolean;
  active: boolean;
}

/** A connection that is bringing bytes of a file. */
export interface Flow {
  readonly file: LargeFile;
  readonly owner: PartOwner;
  readonly abort: AbortController;
  /** Of the file: what it brings. The end comes nearer where another connection takes over the rest. */
  range: { start: number; end: number };
  /** When data began to flow, and none other is to take over the rest; `null` before, and where that cannot be. */
  divisible: number | null;
  /** Of the file; `null` until data flows. */
  handle: Deno.FsFile | null;
  /** Up to where bytes were counted. */
  at: number;
  /** When the last byte came. */
  moved: number;
  /** Waits for its share of the bandwidth or for others, which is no stall. */
  held: boolean;
  /** Its bytes are no longer wanted: neither counted nor recorded. */
  dead: boolean;
}

/** Stands for one part's bringing, over all its attempts. */
export type PartOwner = Readonly<Record<never, never>>;

/** How far a file reaches from its first byte without a gap, with what flows. Asked for every chunk: it makes nothing new. */
export function reachedBy<F>(
  file: F,
  done: readonly ByteRange[],
  flows: ReadonlySet<Pick<Flow, "range" | "at" | "dead"> & { readonly file: F }>,
): number {
  let end = prefixEnd(done);
  for (let before = -1; before < end;) {
    before = end;
    for (const flow of flows) {
      if (flow.file === file && !flow.dead && flow.range.start <= end && flow.at > end) end = flow.at;
    }
    // Beyond a flow's end there may be a part that is done.
    for (const range of done) if (range.start <= end && range.end > end) end = range.end;
  }
  return end;
}

/** Up to where a connection has written; as last known while a write is under way. */
export function positionOf(flow: Flow): number {
  try {
    return flow.handle?.seekSync(0, Deno.SeekMode.Current) ?? flow.at;
  } catch {
    return flow.at;
  }
}
