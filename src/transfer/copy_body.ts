import type { ByteRange } from "../sources/manifest.ts";
import type { RangeBody } from "../sources/source.ts";

/** Bytes that a connection reads, and writes, at once. */
const BUFFER = 128 * 1024;
/** Milliseconds: after a read that was done sooner, the next one waits for twice as many bytes. */
const QUICK = 20;

/** Where a body goes, and under which limits. */
export interface CopyOptions {
  /** The range of the file to write. Its end may move nearer meanwhile. */
  readonly range: ByteRange;
  /** Positioned at `range.start`. */
  readonly file: Deno.FsFile;
  /**
   * Called with the bytes of a chunk, and how many of them come before the range; the rest is written
   * afterwards.
   */
  readonly onChunk: (bytes: number, skipped: number) => Promise<void>;
  /** Called after each piece with the offset in the file up to which the range is written. */
  readonly onWritten: (at: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Writes the wanted range of a body to a file, and never a byte beyond it. Once this has settled nothing is
 * being written.
 */
export async function copyBody(body: RangeBody, options: CopyOptions): Promise<void> {
  const { range, file, signal, onChunk, onWritten } = options;
  let at = body.range.start;
  for await (const chunk of chunks(body.body, signal)) {
    const skipped = Math.min(chunk.length, Math.max(0, range.start - at));
    await onChunk(chunk.length, skipped);
    const end = at + chunk.length;
    at += skipped;
    // In pieces, each within the range as it is by then.
    while (at < Math.min(end, range.end)) {
      const rest = chunk.subarray(chunk.length - (end - at));
      at += await file.write(rest.subarray(0, Math.min(BUFFER, range.end - at)));
      onWritten(Math.min(at, range.end));
    }
    if (at <= range.start) onWritten(range.start);
    if (at >= range.end) return;
  }
}

/**
 * A body's chunks; each is valid until the next. Ending early cancels the body.
 *
 * TLS gives at most 16 KiB per read, and each read costs a call into the runtime and one into the kernel. So
 * while bytes come quickly, a read waits for more of them; a slow body is read byte by byte as it arrives.
 */
export async function* chunks(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = readerOf(body);
  // A stream that does not come from fetch does not know the signal.
  const stop = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (let least = 1;;) {
      signal.throwIfAborted();
      const asked = performance.now();
      const { done, value } = await untilAborted(reader.read(least), signal);
      // A cancelled body looks as if it had ended.
      signal.throwIfAborted();
      const quick = performance.now() - asked < QUICK;
      if (value !== undefined && value.length > 0) yield value;
      if (done) return;
      least = quick ? Math.min(BUFFER, 2 * (value?.length ?? 0)) : 1;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // Not waited for: a stream that hangs may hang here too.
    void reader.cancel().catch(() => {});
    reader.release();
  }
}

interface ChunkReader {
  /**
   * At least so many bytes, unless the body ends before; a stream that is not a byte stream gives its next
   * chunk.
   */
  read(least: number): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(reason?: unknown): Promise<void>;
  /** Stops reading. What was read is no longer needed. */
  release(): void;
}

/** Buffers of bodies that have ended, for reuse: the garbage collector frees them late. */
const spare: ArrayBuffer[] = [];

function readerOf(body: ReadableStream<Uint8Array>): ChunkReader {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    const chunked = body.getReader();
    return { read: () => chunked.read(), cancel: (reason) => chunked.cancel(reason), release() {} };
  }
  let buffer = spare.pop() ?? new ArrayBuffer(BUFFER);
  return {
    async read(least) {
      const { done, value } = await reader.read(new Uint8Array(buffer), { min: least });
      // A read takes the buffer and returns it with the data.
      if (value !== undefined) buffer = value.buffer;
      return { done, value };
    },
    cancel: (reason) => reader.cancel(reason),
    release() {
      // It is empty if a read has not returned it.
      if (buffer.byteLength > 0) spare.push(buffer);
    },
  };
}

/** As the promise, but rejects at once when aborted, whether the stream heeds the signal or not. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
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
