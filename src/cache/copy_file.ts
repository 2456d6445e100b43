import type { FilesBelow } from "../os/files_below.ts";

/** Bytes read at once: a copy stops soon after the signal. */
const CHUNK = 4 << 20;

/** Copies a file to a new one, which is on disk when this resolves. */
export async function copyFile(
  files: FilesBelow,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<void> {
  using source = await Deno.open(from);
  using target = files.create(to);
  const buffer = new Uint8Array(CHUNK);
  for (;;) {
    signal?.throwIfAborted();
    const read = await source.read(buffer);
    if (read === null) break;
    for (let at = 0; at < read;) at += await target.write(buffer.subarray(at, read));
  }
  await target.syncData();
}
