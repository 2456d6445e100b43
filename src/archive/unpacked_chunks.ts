import { nodeModule } from "../os/node_module.ts";
import { TarFault } from "./tar_entries.ts";

/** Bytes per chunk. */
const CHUNK = 1 << 18;
/** Deflate's maximum compression ratio; only a decompression bomb exceeds it. */
const LARGEST_RATIO = 1032;
/** Uncompressed bytes that are always allowed. */
const ALWAYS = 64 * 2 ** 20;

export type Packing = "none" | "gzip" | "zstd";

/** Detects the compression by the first bytes, since media types are not always right. */
export function packingOf(file: Deno.FsFile): Packing {
  const start = new Uint8Array(4);
  file.readSync(start);
  file.seekSync(0, Deno.SeekMode.Start);
  if (start[0] === 0x1f && start[1] === 0x8b) return "gzip";
  const word = new DataView(start.buffer).getUint32(0, true);
  // A frame, or a skippable frame, which zstd:chunked starts with.
  return word === 0xfd2fb528 || (word & 0xfffffff0) === 0x184d2a50 ? "zstd" : "none";
}

/**
 * Reads a file and uncompresses it. Each chunk is valid until the next one.
 *
 * @param onRead Called with the number of compressed bytes read.
 * @throws {TarFault} if it is damaged, or expands to more than deflate can compress.
 */
export async function* unpackedChunks(
  file: Deno.FsFile,
  packing: Exclude<Packing, "none">,
  onRead: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const { createGunzip, createZstdDecompress } = nodeModule("node:zlib");
  const { Readable, pipeline } = nodeModule("node:stream");
  const limit = file.statSync().size * LARGEST_RATIO + ALWAYS;
  const options = { chunkSize: CHUNK };
  const unpacker = packing === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  // The loop throws a failure of either.
  pipeline(Readable.from(chunksOf(file, onRead)), unpacker, () => {});
  let total = 0;
  try {
    for await (const chunk of unpacker as AsyncIterable<Uint8Array>) {
      total += chunk.length;
      if (total > limit) throw new TarFault(`it unpacks to more than ${limit} bytes`);
      yield chunk;
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw /^(?:Z_|ZSTD_|ERR_)/.test(code) ? new TarFault(`it is damaged (${packing}: ${code})`) : error;
  }
}

async function* chunksOf(file: Deno.FsFile, onRead: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of file.readable) {
    onRead(chunk.length);
    yield chunk;
  }
}
