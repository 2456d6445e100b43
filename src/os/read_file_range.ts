/** Bytes of a chunk. */
const CHUNK = 1 << 18;

/**
 * Reads the bytes `[start, end)` of a file. The file is opened at the first read. Requires `--allow-read`.
 */
export function readFileRange(
  path: string,
  start: number,
  end: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let file: Deno.FsFile | null = null;
  let left = end - start;
  const close = () => {
    file?.close();
    file = null;
  };
  return new ReadableStream({
    async pull(controller) {
      try {
        if (file === null) {
          file = await Deno.open(path);
          await file.seek(start, Deno.SeekMode.Start);
        }
        const buffer = new Uint8Array(Math.min(CHUNK, left));
        const count = left === 0 ? null : await file.read(buffer);
        left -= count ?? 0;
        if (count !== null) controller.enqueue(buffer.subarray(0, count));
        if (count !== null && left > 0) return;
        close();
        controller.close();
      } catch (error) {
        close();
        throw error;
      }
    },
    cancel: close,
  }, { highWaterMark: 0 });
}
