import type { ByteRange } from "../sources/manifest.ts";
import type { RangeBody } from "../sources/source.ts";

/** Where a body goes, and under which limits. */
export interface CopyOptions {
  /** Of the file: what is wanted of the body. Its end may come nearer meanwhile, but where the body is piped. */
  readonly range: ByteRange;
  /** Positioned at `range.start`. */
  readonly file: Deno.FsFile;
  /** Whether the body may be piped. */
  readonly pipe: boolean;
  /** Told of each chunk that was read here, and how many of its bytes are not wanted; the next waits for it. */
  readonly onChunk: (bytes: number, skipped: number) => Promise<void>;
  /** Told how many milliseconds writing such a chunk took. */
  readonly onWritten?: (elapsed: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Writes the wanted range of a body to a file, and never a byte beyond it. How far it came is the file's position, even when this rejects.
 * A body of known and right length is piped within the runtime.
 */
export async function copyBody(body: RangeBody, options: CopyOptions): Promise<void> {
  const { range, file, signal, onChunk } = options;
  if (isPiped(body, options)) {
    const piped = body.body.pipeTo(file.writable, { preventClose: true, preventAbort: true, signal });
    return await untilAborted(piped, signal);
  }
  let at = body.range.start;
  const wantedOf = (chunk: Uint8Array) =>
    chunk.subarray(Math.max(0, range.start - at), Math.max(0, range.end - at));
  for await (const chunk of chunks(body.body, signal)) {
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
  return exact && pipe;
}

/** A body's chunks; each is valid until the next. Ending early cancels the body. */
export async function* chunks(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  // A stream that is not fetch's own does not know of the signal.
  const stop = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await untilAborted(reader.read(), signal);
      // A body that was given up looks as if it had ended.
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // Not waited for: a stream that hangs may hang here too.
    void reader.cancel().catch(() => {});
  }
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
