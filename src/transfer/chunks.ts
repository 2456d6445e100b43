import { abortable } from "@std/async/abortable";

/** Maximum bytes that a connection reads or writes at once. */
const BUFFER = 512 * 1024;

/** Buffers of bodies that have ended, for reuse: the garbage collector frees them late. */
const spare: ArrayBuffer[] = [];

/** A body's chunks; each is valid until the next. Ending early cancels the body. */
export async function* chunks(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = readerOf(body);
  const takesBuffer = reader instanceof ReadableStreamBYOBReader;
  let buffer = spare.pop() ?? new ArrayBuffer(BUFFER);
  // A stream that does not come from fetch does not observe the signal.
  const stop = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const reading = takesBuffer ? reader.read(new Uint8Array(buffer)) : reader.read();
      const { done, value } = await abortable<ReadableStreamReadResult<Uint8Array>>(reading, signal);
      // A cancelled body looks like one that has ended.
      signal.throwIfAborted();
      // A read takes the buffer and returns it with the data.
      if (takesBuffer && value !== undefined) buffer = value.buffer as ArrayBuffer;
      if (value !== undefined && value.length > 0) yield value;
      if (done) return;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // Not awaited: a stream that hangs may hang here too.
    void reader.cancel().catch(() => {});
    // It is empty if a read has not returned it.
    if (buffer.byteLength > 0) spare.push(buffer);
  }
}

function readerOf(
  body: ReadableStream<Uint8Array>,
): ReadableStreamBYOBReader | ReadableStreamDefaultReader<Uint8Array> {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return body.getReader();
  }
}
