import { errnoOf } from "../../errors/from_unknown.ts";
import type { Head } from "./types.ts";
import { isAnyWeight } from "./weight_files.ts";

/** First bytes of a file that identify its format. */
const HEAD_BYTES = 512;

/** Largest header that the safetensors library reads. */
const LARGEST_HEADER = 100_000_000;

/** Identifies a file by its first bytes, with at most two reads unless its length is in doubt. */
export function readHead(path: string, size: number): Head {
  try {
    // Synchronous: 200 shards take 5 ms instead of 40.
    using file = Deno.openSync(path);
    const read = (offset: number, length: number) => readAt(file, offset, Math.min(length, size - offset));
    return headOf(size, read, isAnyWeight(path));
  } catch (error) {
    return { kind: "unreadable", why: errnoOf(error) ?? (error instanceof Error ? error.name : "error") };
  }
}

/** Reads bytes, fewer at the end of the file. */
function readAt(file: Deno.FsFile, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, length));
  if (offset > 0) file.seekSync(offset, Deno.SeekMode.Start);
  let at = 0;
  while (at < bytes.length) {
    const read = file.readSync(bytes.subarray(at));
    if (read === null) break;
    at += read;
  }
  return bytes.subarray(0, at);
}

/**
 * The safetensors library writes tensors in the order of their offsets, so if the last one in the header agrees with
 * the size, the rest of the header need not be read.
 */
function headOf(size: number, read: (offset: number, length: number) => Uint8Array, weights: boolean): Head {
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
