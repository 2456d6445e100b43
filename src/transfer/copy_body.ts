import { abortable } from "@std/async/abortable";
import type { ByteRange } from "../sources/manifest.ts";

/** Bytes that a connection reads, and writes, at once. */
const BUFFER = 512 * 1024;

/** Where a body goes, and under which limits. */
export interface CopyOptions {
  /** The range of the file to write. Its end may move nearer meanwhile. */
  readonly range: ByteRange;
  /** Positioned at `range.start`. */
  readonly file: Deno.FsFile;
  /** Called with the number of bytes of a chunk, before it is written. */
  readonly onChunk: (bytes: number) => Promise<void>;
  /** Called after each piece with the offset in the file up to which the range is written. */
  readonly onWritten: (at: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Writes a body, which begins at `range.start`, to a file, and never a byte beyond the range. Once this has settled
 * nothing is being written.
 */
export async function copyBody(body: ReadableStream<Uint8Array>, options: CopyOptions): Promise<void> {
  const { range, file, signal, onChunk, onWritten } = options;
  let at = range.start;
  for await (const chunk of chunks(body, signal)) {
    await onChunk(chunk.length);
    const wanted = chunk.subarray(0, Math.max(0, range.end - at));
    // Not left to another thread: handing over each piece costs more than writing it to the page cache.
    for (let n = 0; n < wanted.length;) n += file.writeSync(wanted.subarray(n));
    at += wanted.length;
    onWritten(at);
    if (at >= range.end) return;
  }
}

/** A body's chunks; each is valid until the next. Ending early cancels the body. */
export async function* chunks(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = readerOf(body);
  // A stream that does not come from fetch does not know the signal.
  const stop = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await abortable(reader.read(), signal);
      // A cancelled body looks as if it had ended.
      signal.throwIfAborted();
      if (value !== undefined && value.length > 0) yield value;
      if (done) return;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // Not waited for: a stream that hangs may hang here too.
    void reader.cancel().catch(() => {});
    reader.release();
  }
}

interface ChunkReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
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
    async read() {
      const { done, value } = await reader.read(new Uint8Array(buffer));
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
