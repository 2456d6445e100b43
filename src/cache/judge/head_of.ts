import type { Head } from "./types.ts";

/** First bytes of a file that identify its format. */
const HEAD_BYTES = 512;

/** Largest header that the safetensors library reads. */
const LARGEST_HEADER = 100_000_000;

/** Reads bytes of a file, fewer at its end. */
export type ReadBytes = (offset: number, length: number) => Uint8Array;

/**
 * Identifies a file by its first bytes, and reads the length of a safetensors file from its header.
 *
 * The library writes tensors in the order of their offsets, so if the last one in the header agrees with the size, the
 * rest of the header need not be read.
 *
 * @param size Bytes of the file.
 */
export function headOf(size: number, read: ReadBytes, weights: boolean): Head {
  const first = read(0, HEAD_BYTES);
  const text = latin1(first);
  if (text.startsWith("version https://git-lfs.github.com/spec/")) return { kind: "pointer" };
  if (/^\s*(?:<!doctype html|<html)/i.test(text)) return { kind: "html" };
  if (!weights) return { kind: "other" };
  if (text.startsWith("GGUF")) return { kind: "gguf" };
  if (first.length > 0 && first.every((byte) => byte === 0)) return { kind: "zeros" };
  const length = first.length < 10
    ? 0
    : Number(new DataView(first.buffer, first.byteOffset).getBigUint64(0, true));
  if (text[8] !== "{" || length > LARGEST_HEADER || 8 + length > size) return { kind: "other" };
  const end = 8 + length;
  const tail = end <= first.length ? text.slice(8, end) : latin1(read(end - HEAD_BYTES, HEAD_BYTES));
  const last = largestOffset(tail, true);
  if (last !== null && end + last === size) return { kind: "safetensors", length: size };
  return { kind: "safetensors", length: end + (largestOffset(latin1(read(8, length)), false) ?? 0) };
}

/** The largest end of a header's `"data_offsets":[start,end]`, or the last one; `null` if there are none. */
function largestOffset(header: string, last: boolean): number | null {
  let largest: number | null = null;
  for (const [, end] of header.matchAll(/"data_offsets"\s*:\s*\[\s*\d+\s*,\s*(\d+)\s*\]/g)) {
    largest = last ? Number(end) : Math.max(largest ?? 0, Number(end));
  }
  return largest;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}
