import { nodeModule } from "../os/node_module.ts";
import { TarFault } from "./read_tar.ts";

/** Bytes of a chunk. */
const CHUNK = 1 << 18;
/** What deflate makes of one byte at most; only a bomb makes more. */
const LARGEST_RATIO = 1032;
/** Bytes that any archive may have, however small it is packed. */
const ALWAYS = 64 * 2 ** 20;

/** How a file is packed, by its first bytes: media types are not always right. */
export type Packing = "none" | "gzip" | "zstd";

/** Tells how a file is packed. */
export function packingOf(file: Deno.FsFile): Packing {
  const start = new Uint8Array(4);
  file.seekSync(0, Deno.SeekMode.Start);
  const count = file.readSync(start) ?? 0;
  file.seekSync(0, Deno.SeekMode.Start);
  if (count >= 2 && start[0] === 0x1f && start[1] === 0x8b) return "gzip";
  const word = new DataView(start.buffer).getUint32(0, true);
  // A frame, or one that is skipped (zstd:chunked begins with it).
  return word === 0xfd2fb528 || (word & 0xfffffff0) === 0x184d2a50 ? "zstd" : "none";
}

/**
 * The bytes of a file, unpacked; each chunk is valid until the next.
 *
 * @param size Of the file, in bytes.
 * @param onRead Told how many bytes of the file were read.
 * @throws {TarFault} it is damaged, or unpacks to more than any archive of that size does.
 */
export async function* unpackedChunks(
  file: Deno.FsFile,
  packing: Packing,
  size: number,
  onRead: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  if (packing === "none") return yield* chunksOf(file, onRead);
  const { createGunzip, createZstdDecompress } = nodeModule("node:zlib");
  const options = { chunkSize: CHUNK };
  const unpacker = packing === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  const limit = size * LARGEST_RATIO + ALWAYS;
  let total = 0;
  const packed = nodeModule("node:stream").Readable.from(copies(chunksOf(file, onRead)));
  packed.on("error", (error) => unpacker.destroy(error));
  packed.pipe(unpacker);
  try {
    for await (const chunk of unpacker as AsyncIterable<Uint8Array>) {
      total += chunk.length;
      if (total > limit) throw new TarFault(`it unpacks to more than ${limit} bytes`);
      yield chunk;
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw /^(?:Z_|ZSTD_|ERR_)/.test(code) ? new TarFault(`it is damaged (${packing}: ${code})`) : error;
  } finally {
    packed.destroy();
    unpacker.destroy();
  }
}

async function* chunksOf(file: Deno.FsFile, onRead: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK);
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    onRead(count);
    yield buffer.subarray(0, count);
  }
}

/** A stream reads ahead: its chunks must not share memory. */
async function* copies(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield chunk.slice();
}
