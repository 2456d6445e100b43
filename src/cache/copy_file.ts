import type { FilesBelow } from "../os/files_below.ts";

/** Bytes of one read: small enough that a copy stops soon after the signal. */
const CHUNK = 4 << 20;

/** Copies a file to a new one, and flushes it. */
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
