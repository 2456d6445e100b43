import type { ByteRange } from "../sources/manifest.ts";

/** Adds a range to sorted, disjoint, non-touching ranges; so are the resulting ones. */
export function addRange(ranges: readonly ByteRange[], range: ByteRange): ByteRange[] {
  if (range.end <= range.start) return [...ranges];
  const before = ranges.filter((r) => r.end < range.start);
  const after = ranges.filter((r) => r.start > range.end);
  const touching = ranges.filter((r) => r.end >= range.start && r.start <= range.end);
  const start = Math.min(range.start, ...touching.map((r) => r.start));
  const end = Math.max(range.end, ...touching.map((r) => r.end));
  return [...before, { start, end }, ...after];
}

/** The parts of `[0, size)` outside the ranges. */
export function gaps(ranges: readonly ByteRange[], size: number): ByteRange[] {
  const missing: ByteRange[] = [];
  let at = 0;
  for (const { start, end } of ranges) {
    if (start > at) missing.push({ start: at, end: start });
    at = Math.max(at, end);
  }
  if (at < size) missing.push({ start: at, end: size });
  return missing;
}

/** Bytes in disjoint ranges. */
export function rangeBytes(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** How far the ranges reach from byte 0 without a gap. */
export function prefixEnd(ranges: readonly ByteRange[]): number {
  const first = ranges[0];
  return first !== undefined && first.start === 0 ? first.end : 0;
}
