import type { ByteRange } from "../sources/manifest.ts";
import { gaps, rangeBytes } from "./ranges.ts";

/** A file, and what an earlier run has downloaded of it: sorted, disjoint ranges. */
export interface PlannedFile {
  readonly size: number;
  readonly done: readonly ByteRange[];
}

/** What one connection downloads: a range of a large file, or (`null`) a complete small file. */
export interface WorkUnit<F> {
  readonly file: F;
  readonly range: ByteRange | null;
}

/** Maximum connections, and maximum bytes per part. */
export interface PlanBudget {
  readonly jobs: number;
  readonly partSize: number;
}

const PART = 16 * 1024 * 1024;
const LARGE_PART = 64 * 1024 * 1024;
const SEVERAL = 4;
/** A smaller part is hardly worth a request. */
const SMALLEST_PART = 2 * 1024 * 1024;
const EVEN = 1024 * 1024;

/**
 * Bytes per part for files of these sizes. Small parts let hashing follow several connections to one file
 * closely; large ones take a tenth less CPU. If there is little to download, each connection gets a share.
 */
export function partSizeFor(sizes: readonly number[], jobs: number): number {
  const most = sizes.filter((size) => size > LARGE_PART).length >= SEVERAL ? LARGE_PART : PART;
  const share = Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / jobs / EVEN) * EVEN;
  return Math.min(most, Math.max(SMALLEST_PART, share));
}

/** Larger files are written as they arrive, so that they can be resumed. */
const LARGEST_WHOLE = 1024 * 1024;
/** Maximum bytes of small files in memory, over all connections. */
const MEMORY = 32 * 1024 * 1024;

/** Files up to this many bytes are kept in memory until they are proven, at most one per connection. */
export function wholeLimit(budget: PlanBudget): number {
  return Math.min(LARGEST_WHOLE, budget.partSize, Math.floor(MEMORY / budget.jobs));
}

/**
 * The missing bytes of a file, in file order, cut at multiples of `partSize`, so that all machines of a fleet
 * request the same ranges from a cache.
 */
export function* partsOf(file: PlannedFile, partSize: number): Generator<ByteRange> {
  for (const { start, end } of gaps(file.done, file.size)) {
    for (let at = start; at < end;) {
      const next = Math.min(end, (Math.floor(at / partSize) + 1) * partSize);
      yield { start: at, end: next };
      at = next;
    }
  }
}

/**
 * The order of work. Large files come first, each from its start to its end, so that hashing follows closely.
 * Small files, which mostly wait for responses, are spread evenly between the parts.
 */
export function* planOrder<F extends PlannedFile>(
  files: readonly F[],
  budget: PlanBudget,
): Generator<WorkUnit<F>> {
  const limit = wholeLimit(budget);
  const bySize = files.toSorted((a, b) => b.size - a.size);
  const large = bySize.filter(({ size }) => size > limit);
  const small = bySize.filter(({ size }) => size <= limit).map((file) => ({ file, range: null }));
  const bytes = large.reduce((sum, { size, done }) => sum + size - rangeBytes(done), 0);
  let given = 0;
  let next = 0;
  for (const file of large) {
    for (const range of partsOf(file, budget.partSize)) {
      yield { file, range };
      given += range.end - range.start;
      const until = Math.floor(small.length * given / bytes);
      yield* small.slice(next, until);
      next = until;
    }
  }
  yield* small.slice(next);
}
