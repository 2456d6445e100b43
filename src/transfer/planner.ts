import type { ByteRange } from "../sources/manifest.ts";
import { gaps, rangeBytes } from "./ranges.ts";

/** A file as the planner sees it. */
export interface PlannedFile {
  /** Bytes. */
  readonly size: number;
  /** Sorted, disjoint ranges that are there from an earlier run. */
  readonly done: readonly ByteRange[];
}

/** One thing a connection does: bring a range of a file, or small files whole. Files are indices in the input. */
export type WorkUnit =
  | { readonly kind: "part"; readonly file: number; readonly range: ByteRange }
  | { readonly kind: "whole"; readonly files: readonly number[] };

/** What the plan may use. */
export interface PlanBudget {
  /** Connections at once. */
  readonly jobs: number;
  /** Bytes a part, at most. */
  readonly partSize: number;
  /** Bytes that all files held in memory at once may take. */
  readonly memory: number;
}

const PART = 16 * 1024 * 1024;
const LARGE_PART = 64 * 1024 * 1024;
const SEVERAL = 4;
/** Below this a part is hardly worth its request. */
const SMALLEST_PART = 2 * 1024 * 1024;
const EVEN = 64 * 1024;

/**
 * Bytes a part for files of these sizes. Small parts let one file be hashed closely behind several connections. Where there are several
 * large files each has fewer connections, and long stretches of a file cost the server and this machine a tenth less.
 */
export function partSizeFor(sizes: readonly number[]): number {
  return sizes.filter((size) => size > LARGE_PART).length >= SEVERAL ? LARGE_PART : PART;
}

/**
 * Bytes of the next part where `left` bytes are not given out yet: towards the end parts become smaller, so that no connection is still busy
 * with a long one when the others have nothing left; and of little each connection has some.
 */
function nextPart(left: number, { jobs, partSize }: PlanBudget): number {
  const share = Math.ceil(left / jobs / EVEN) * EVEN;
  return Math.min(partSize, Math.max(SMALLEST_PART, share));
}

/** Above this a file is written as it arrives, so that it can be resumed. */
const LARGEST_WHOLE = 1024 * 1024;
/** Bytes of files that one connection asks for together, and their number, at most. */
const LARGEST_BATCH = 256 * 1024;
const MOST_IN_BATCH = 16;
/** Batches a connection, at least: so that none is left with the last while the others have nothing to do. */
const BATCHES = 4;

/** Files up to this many bytes are held in memory, proven there and written at once: one connection holds one at most. */
export function wholeLimit(budget: PlanBudget): number {
  return Math.min(LARGEST_WHOLE, budget.partSize, Math.floor(budget.memory / budget.jobs));
}

/** The missing bytes of a file, in file order, in pieces of at most `partSize`. */
export function partsOf(file: PlannedFile, partSize: number): ByteRange[] {
  return [...split(file, () => partSize)];
}

/** @param next Bytes that the next part may have. */
function* split(file: PlannedFile, next: () => number): Generator<ByteRange> {
  for (const { start, end } of gaps(file.done, file.size)) {
    for (let at = start; at < end;) {
      const to = Math.min(end, at + next());
      yield { start: at, end: to };
      at = to;
    }
  }
}

/**
 * The order of work. Large files first, each in file order so that hashing follows closely; small files, whose cost is latency, are
 * asked for together and spread evenly between the parts, so that neither kind is left over at the end. Lazy: a model of terabytes has no
 * list.
 */
export function* planOrder(files: readonly PlannedFile[], budget: PlanBudget): Generator<WorkUnit> {
  const limit = wholeLimit(budget);
  const bySize = files.map((file, index) => ({ size: file.size, file, index }))
    .toSorted((a, b) => b.size - a.size);
  const large = bySize.filter(({ size }) => size > limit);
  const small = batchesOf(bySize.filter(({ size }) => size <= limit), budget.jobs);
  const bytes = large.reduce((sum, { file }) => sum + file.size - rangeBytes(file.done), 0);
  let given = 0;
  let next = 0;
  for (const { file, index } of large) {
    for (const range of split(file, () => nextPart(bytes - given, budget))) {
      yield { kind: "part", file: index, range };
      given += range.end - range.start;
      for (const until = Math.floor(small.length * given / bytes); next < until; next++) {
        yield whole(small[next]);
      }
    }
  }
  for (; next < small.length; next++) yield whole(small[next]);
}

interface Sized {
  /** Bytes. */
  readonly size: number;
  readonly index: number;
}

/** Divides small files among batches, in their order. */
function batchesOf(small: readonly Sized[], jobs: number): Sized[][] {
  const most = Math.max(1, Math.min(MOST_IN_BATCH, Math.floor(small.length / (jobs * BATCHES))));
  const batches: Sized[][] = [];
  let bytes = Infinity;
  for (const file of small) {
    const last = batches.at(-1);
    bytes += file.size;
    if (last !== undefined && last.length < most && bytes <= LARGEST_BATCH) last.push(file);
    else {
      batches.push([file]);
      bytes = file.size;
    }
  }
  return batches;
}

function whole(batch: readonly Sized[] | undefined): WorkUnit {
  if (batch === undefined) throw new RangeError("more small files than there are");
  return { kind: "whole", files: batch.map(({ index }) => index) };
}
