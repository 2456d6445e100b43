import { abortable } from "@std/async/abortable";

/** Bytes that a connection reads, and writes, at once. */
const BUFFER = 512 * 1024;

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

interface ChunkReader extends Pick<ReadableStreamDefaultReader<Uint8Array>, "cancel"> {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  /** What was read is no longer needed. */
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
