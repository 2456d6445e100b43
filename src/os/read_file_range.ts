/** Bytes per chunk. */
const CHUNK = 1 << 18;

/** Reads the bytes `[start, end)` of a file. Opens the file on the first read. */
export function readFileRange(
  path: string,
  start: number,
  end: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(chunks(path, start, end));
}

async function* chunks(path: string, start: number, end: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path);
  await file.seek(start, Deno.SeekMode.Start);
  for (let left = end - start; left > 0;) {
    const buffer = new Uint8Array(Math.min(CHUNK, left));
    const count = await file.read(buffer);
    if (count === null) return;
    left -= count;
    yield buffer.subarray(0, count);
  }
}
