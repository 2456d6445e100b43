import { createHash } from "node:crypto";

/** The bytes of one file that a test server serves, and their digests. */
export interface Content {
  /** Bytes. */
  readonly size: number;
  /**
   * The bytes of `[start, end)`, in pieces of at most 1 MiB. A piece is read-only, and valid until the next
   * one is requested.
   */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
  /** Computed once, on the first call. */
  digests(): Promise<ContentDigests>;
}

/** Hex digests. */
export interface ContentDigests {
  readonly sha256: string;
  readonly sha1: string;
  /** Git's blob id: SHA-1 over `blob <size>\0` and the bytes. */
  readonly gitSha1: string;
  readonly md5: string;
}

const PIECE = 1 << 20;

/** Content held in memory. */
export function bytesContent(data: Uint8Array | string): Content {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return content(bytes.length, async function* (start, end) {
    for (let at = start; at < end; at += PIECE) yield await bytes.subarray(at, Math.min(at + PIECE, end));
  });
}

/** Content of a file on disk, streamed. Its size is read now; the file must not change. */
export async function diskContent(path: string): Promise<Content> {
  const { size } = await Deno.stat(path);
  return content(size, async function* (start, end) {
    using file = await Deno.open(path);
    await file.seek(start, Deno.SeekMode.Start);
    const buffer = new Uint8Array(Math.min(PIECE, end - start));
    for (let at = start; at < end;) {
      const n = await file.read(buffer.subarray(0, Math.min(buffer.length, end - at)));
      if (n === null) throw new Error(`${path} became shorter while it was served`);
      yield buffer.subarray(0, n);
      at += n;
    }
  });
}

/**
 * Content of any size that takes no memory, determined by the seed. `random` repeats one pseudo-random
 * mebibyte; each 64 KiB start with their offset, so that no two blocks are equal. `zeros` has a mark in the
 * first 8 bytes of each GiB.
 *
 * @param options.sha256 The SHA-256, if computing it would take too long; other digests are then not
 * available.
 */
export function virtualContent(
  options: { size: number; seed?: number; kind?: "random" | "zeros"; sha256?: string },
): Content {
  const { size, seed = 1, kind = "random", sha256 } = options;
  const stride = kind === "random" ? 1 << 16 : 2 ** 30;
  const base = new Uint8Array(PIECE);
  if (kind === "random") fillRandom(base, seed);
  const made = content(size, async function* (start, end) {
    const piece = new Uint8Array(PIECE);
    for (let at = start; at < end;) {
      const block = at - at % PIECE;
      const until = Math.min(block + PIECE, end);
      piece.set(base);
      const view = new DataView(piece.buffer);
      for (let mark = 0; mark < PIECE; mark += Math.min(stride, PIECE)) {
        if ((block + mark) % stride === 0) view.setFloat64(mark, block + mark + seed);
      }
      yield await piece.subarray(at - block, until - block);
      at = until;
    }
  });
  if (sha256 === undefined) return made;
  return {
    ...made,
    digests: () => Promise.resolve({ sha256, sha1: "", gitSha1: sha256.slice(0, 40), md5: "" }),
  };
}

/** All bytes at once; for small contents. */
export async function contentBytes(from: Content): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(from.size);
  let at = 0;
  for await (const piece of from.read(0, from.size)) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Seeded pseudo-random numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Fills an array with seeded pseudo-random bytes. */
export function fillRandom<Bytes extends Uint8Array>(bytes: Bytes, seed: number): Bytes {
  const random = seededRandom(seed);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = bytes.length - bytes.length % 4;
  for (let at = 0; at < words; at += 4) view.setUint32(at, random() * 2 ** 32);
  for (let at = words; at < bytes.length; at++) bytes[at] = random() * 256;
  return bytes;
}

/** Seeded pseudo-random bytes. */
export function randomBytes(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  return fillRandom(new Uint8Array(size), seed);
}

function content(size: number, read: (start: number, end: number) => AsyncIterable<Uint8Array>): Content {
  let digests: Promise<ContentDigests> | undefined;
  return { size, read, digests: () => digests ??= hashAll(size, read(0, size)) };
}

async function hashAll(size: number, pieces: AsyncIterable<Uint8Array>): Promise<ContentDigests> {
  const [sha256, sha1, md5] = ["sha256", "sha1", "md5"].map((name) => createHash(name));
  const git = createHash("sha1").update(`blob ${size}\0`);
  for await (const piece of pieces) for (const hash of [sha256, sha1, md5, git]) hash?.update(piece);
  const hex = (hash: typeof git | undefined) => hash?.digest("hex") ?? "";
  return { sha256: hex(sha256), sha1: hex(sha1), md5: hex(md5), gitSha1: hex(git) };
}

/**
 * A safetensors file of exactly this size, at least 128 bytes, with one tensor of seeded pseudo-random bytes.
 */
export function safetensorsBytes(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = randomBytes(size, seed);
  const header = (data: number) => `{"weights":{"dtype":"U8","shape":[${data}],"data_offsets":[0,${data}]}}`;
  const length = Math.ceil(header(size).length / 8) * 8;
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(new TextEncoder().encode(header(size - 8 - length).padEnd(length)), 8);
  return bytes;
}
