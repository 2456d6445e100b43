import type { ByteRange } from "../sources/manifest.ts";
import type { ByteReader, RangeBody } from "../sources/source.ts";

/** Where a body goes, and under which limits. */
export interface CopyOptions {
  /** Of the file: what is wanted of the body. Its end may come nearer meanwhile, but where the body is piped. */
  readonly range: ByteRange;
  /** Positioned at `range.start`. */
  readonly file: Deno.FsFile;
  /** Bytes read at once, where it is not piped. */
  readonly chunk: number;
  /** Whether the body may be piped. */
  readonly pipe: boolean;
  /** Told of each chunk that was read here, and how many of its bytes are not wanted; the next waits for it. */
  readonly onChunk: (bytes: number, skipped: number) => Promise<void>;
  /** Told how many milliseconds writing such a chunk took. */
  readonly onWritten?: (elapsed: number) => void;
  readonly signal: AbortSignal;
}

/** A file system takes few large writes with half the work of many small ones; beyond this nothing is gained. */
const LARGEST_CHUNK = 1024 * 1024;
const SMALLEST_CHUNK = 64 * 1024;

/** Bytes to read at once, so that all connections together stay within `memory`. */
export function chunkSize(memory: number, jobs: number): number {
  return Math.max(SMALLEST_CHUNK, Math.min(LARGEST_CHUNK, Math.floor(memory / jobs)));
}

/**
 * Writes the wanted range of a body to a file, and never a byte beyond it. How far it came is the file's position, even when this rejects.
 * A stream of known and right length is piped within the runtime; a reader fills buffers of ours, which is a third less work, measured over
 * loopback with 1 MiB at a time.
 */
export async function copyBody(body: RangeBody, options: CopyOptions): Promise<void> {
  const { range, file, chunk: size, signal, onChunk } = options;
  if (isPiped(body, options) && body.body instanceof ReadableStream) {
    const piped = body.body.pipeTo(file.writable, { preventClose: true, preventAbort: true, signal });
    return await untilAborted(piped, signal);
  }
  let at = body.range.start;
  const wantedOf = (chunk: Uint8Array) =>
    chunk.subarray(Math.max(0, range.start - at), Math.max(0, range.end - at));
  for await (const chunk of chunks(body.body, size, signal)) {
    await onChunk(chunk.length, chunk.length - wantedOf(chunk).length);
    const wanted = wantedOf(chunk);
    const began = performance.now();
    for (let n = 0; n < wanted.length;) n += file.writeSync(wanted.subarray(n));
    options.onWritten?.(performance.now() - began);
    at += chunk.length;
    if (at >= range.end) return;
  }
}

/** Whether {@linkcode copyBody} leaves the copying to the runtime. */
export function isPiped(body: RangeBody, { range, pipe }: Pick<CopyOptions, "range" | "pipe">): boolean {
  const exact = body.range.start === range.start && body.length === range.end - range.start;
  return exact && pipe && body.body instanceof ReadableStream;
}

/** Buffers that no body uses at present: a model of many small files needs no more of them than connections. */
const spare: Uint8Array<ArrayBuffer>[] = [];

/** One of another size was for another number of connections. */
function spareOf(size: number): Uint8Array<ArrayBuffer> | null {
  const buffer = spare.pop();
  return buffer !== undefined && buffer.length === size ? buffer : null;
}

/** A body's chunks, of at most `size` bytes where they are read into memory of ours; each is valid until the next. Ending early cancels the body. */
export async function* chunks(
  body: RangeBody["body"],
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (!(body instanceof ReadableStream)) return yield* chunksRead(body, size, signal);
  const reader = body.getReader();
  // A stream that is not fetch's own does not know of the signal.
  const stop = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await untilAborted(reader.read(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // Not waited for: a stream that hangs may hang here too.
    void reader.cancel().catch(() => {});
  }
}

/**
 * A read often brings little at once: 16 KiB over TLS. As long as the next comes at once, they are put together, since a write of few bytes
 * is as much work as one of many.
 */
const ENOUGH = 256 * 1024;
/** Milliseconds. */
const AT_ONCE = 4;

async function* chunksRead(body: ByteReader, size: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  // Gone for ever where a read fails, which may go on into it.
  const buffer = spareOf(size) ?? new Uint8Array(size);
  const enough = Math.min(ENOUGH, size);
  let reading = false;
  let have = 0;
  let before = -Infinity;
  try {
    for (;;) {
      signal.throwIfAborted();
      reading = true;
      const count = await body.read(buffer.subarray(have));
      reading = false;
      if (count === null) break;
      have += count;
      const now = performance.now();
      const atOnce = now - before < AT_ONCE;
      before = now;
      if (atOnce && have < enough) continue;
      yield buffer.subarray(0, have);
      have = 0;
    }
    if (have > 0) yield buffer.subarray(0, have);
  } catch (error) {
    // What came before the fault is as good as ever.
    if (have > 0 && !signal.aborted) yield buffer.subarray(0, have);
    throw error;
  } finally {
    if (!reading) spare.push(buffer);
    await body.cancel();
  }
}

/** As the promise, but rejects at once when aborted, whether the stream heeds the signal or not. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
