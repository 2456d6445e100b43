import { nodeModule } from "../../os/node_module.ts";
import { type DigestSpec, digestStream, tryOtherGuesses } from "./digests.ts";
import { LANE_BYTES, LANES, type Md5Lanes, md5Lanes } from "./md5_lanes.ts";
import type { ComputedDigests } from "../types.ts";

/** Digests of a file that is still growing. */
export interface FileHash {
  readonly at: number;
  /** Whether {@linkcode step} can make progress when bytes `[0, to)` are on disk. */
  ready(to: number): boolean;
  /** Hashes the next bytes on disk. @throws {Error} if the file is shorter than `size`. */
  step(to: number): void;
  /** Finishes, once all bytes were hashed. */
  digests(): ComputedDigests;
}

/** Bytes per step: messages are handled between two steps. */
const SLICE = 16 * 1024 * 1024;
/** Maximum bytes of the parts hashed side by side: almost as many must be on disk before hashing starts. */
const LARGEST_GROUP = 512 * 1024 * 1024;
/** Minimum parts to hash side by side: twelve take as long as three in sequence. */
const FEWEST_PARTS = 3;
/** Of larger parts, too few fit in a group for it to be worth the wait. */
const LARGEST_PART = LARGEST_GROUP / 4;

const MD5_BLOCK = 64;
/** Bytes per lane and step: a multiple of an input. */
const LANE_SLICE = Math.floor(SLICE / LANES / LANE_BYTES) * LANE_BYTES;

const buffer = new Uint8Array(128 * 1024);

/** Starts digests of an open file of `size` bytes. */
export function fileHash(file: Deno.FsFile, size: number, specs: readonly DigestSpec[]): FileHash {
  const multipart = specs.find((spec) => spec.algorithm === "multipart-md5");
  const part = multipart !== undefined && specs.length === 1 ? evenPart(multipart.partSizes, size) : null;
  const lanes = part === null ? null : md5Lanes();
  return part !== null && lanes !== null
    ? new EvenPartsHash(file, size, part, lanes)
    : new InOrderHash(file, size, specs);
}

/** The digests of a file that `hash` has read completely. */
export function digestsOfFile(
  file: Deno.FsFile,
  size: number,
  specs: readonly DigestSpec[],
  hash: FileHash,
): ComputedDigests {
  return tryOtherGuesses(specs, hash.digests(), (guess) => {
    const other = fileHash(file, size, [guess]);
    while (other.at < size) other.step(size);
    return other.digests();
  });
}

/** The size of equal parts (the last may be smaller); `null` if they differ or are not worth it. */
function evenPart(partSizes: readonly number[], size: number): number | null {
  const [part = 0] = partSizes;
  const last = size - part * (partSizes.length - 1);
  const even = partSizes.slice(0, -1).every((bytes) => bytes === part) && last > 0 && last <= part;
  const worthWhile = partSizes.length >= FEWEST_PARTS && part <= LARGEST_PART;
  return even && part % MD5_BLOCK === 0 && worthWhile ? part : null;
}

/** Hashes a file from the first byte to the last. */
class InOrderHash implements FileHash {
  at = 0;
  readonly #file: Deno.FsFile;
  readonly #size: number;
  readonly #stream: ReturnType<typeof digestStream>;

  constructor(file: Deno.FsFile, size: number, specs: readonly DigestSpec[]) {
    this.#file = file;
    this.#size = size;
    this.#stream = digestStream(specs, size);
  }

  ready(to: number): boolean {
    return this.at < to || this.at === this.#size;
  }

  step(to: number): void {
    const until = Math.min(to, this.at + SLICE);
    while (this.at < until) {
      const piece = buffer.subarray(0, Math.min(buffer.length, until - this.at));
      fill(this.#file, piece, this.at);
      this.#stream.update(piece);
      this.at += piece.length;
    }
  }

  digests(): ComputedDigests {
    return this.#stream.digests();
  }
}

/** Hashes a multipart ETag's equal parts side by side in the lanes, and one or two last ones in sequence. */
class EvenPartsHash implements FileHash {
  readonly #file: Deno.FsFile;
  readonly #size: number;
  readonly #part: number;
  readonly #lanes: Md5Lanes;
  readonly #outer = nodeModule("node:crypto").createHash("md5");
  /** Offset of the current parts, bytes hashed of each, and the MD5 of the last one if it is shorter. */
  #group = 0;
  #done = 0;
  #short: Uint8Array | null = null;

  constructor(file: Deno.FsFile, size: number, part: number, lanes: Md5Lanes) {
    this.#file = file;
    this.#size = size;
    this.#part = part;
    this.#lanes = lanes;
    lanes.start();
  }

  get at(): number {
    if (this.#group >= this.#size) return this.#size;
    return this.#group + (this.#count - 1) * this.#done + Math.min(this.#done, this.#last);
  }

  /** Parts that are hashed next: a group, or one remaining part. */
  get #count(): number {
    const most = Math.min(LANES, Math.floor(LARGEST_GROUP / this.#part));
    const count = Math.min(most, Math.ceil((this.#size - this.#group) / this.#part));
    return count < FEWEST_PARTS ? 1 : count;
  }

  /** Bytes of the last of them. */
  get #last(): number {
    return Math.min(this.#part, this.#size - this.#group - (this.#count - 1) * this.#part);
  }

  /** How much of each part will be hashed after the next step. */
  get #until(): number {
    return this.#count > 1 ? Math.min(this.#part, this.#done + LANE_SLICE) : this.#part;
  }

  /** True if that much of the last part is on disk, and therefore all parts before it. */
  ready(to: number): boolean {
    return to >= this.#group + (this.#count - 1) * this.#part + Math.min(this.#until, this.#last);
  }

  step(to: number): void {
    if (!this.ready(to) || this.#group >= this.#size) return;
    if (this.#count > 1) this.#several();
    else this.#one();
  }

  #several(): void {
    const until = this.#until;
    const lastBlock = this.#last - this.#last % MD5_BLOCK;
    while (this.#done < until) {
      if (this.#done === lastBlock) this.#endShort();
      const stop = this.#done < lastBlock ? Math.min(until, lastBlock) : until;
      const bytes = Math.min(LANE_BYTES, stop - this.#done);
      this.#read(this.#done < lastBlock ? this.#count : this.#count - 1, bytes);
      this.#lanes.update(bytes);
      this.#done += bytes;
    }
    if (this.#done === this.#part) this.#endGroup();
  }

  /** The next bytes of the first parts. */
  #read(parts: number, bytes: number): void {
    for (const [n, input] of this.#lanes.inputs.slice(0, parts).entries()) {
      fill(this.#file, input.subarray(0, bytes), this.#group + n * this.#part + this.#done);
    }
  }

  /** Finishes the last part, which is shorter than the others. */
  #endShort(): void {
    const lane = this.#count - 1;
    const rest = this.#lanes.inputs[lane]?.subarray(0, this.#last - this.#done) ?? new Uint8Array();
    fill(this.#file, rest, this.#group + lane * this.#part + this.#done);
    this.#short = this.#lanes.finish(rest.length)[lane] ?? null;
  }

  #endGroup(): void {
    const count = this.#count;
    const digests = this.#lanes.finish(0).slice(0, count);
    if (this.#short !== null) digests[count - 1] = this.#short;
    for (const digest of digests) this.#outer.update(digest);
    this.#lanes.start();
    this.#group += this.#part * count;
    this.#done = 0;
  }

  #one(): void {
    const end = this.#group + this.#last;
    const inner = nodeModule("node:crypto").createHash("md5");
    for (let at = this.#group; at < end;) {
      const piece = buffer.subarray(0, Math.min(buffer.length, end - at));
      fill(this.#file, piece, at);
      inner.update(piece);
      at += piece.length;
    }
    this.#outer.update(inner.digest());
    this.#group = end;
  }

  digests(): ComputedDigests {
    return { "multipart-md5": this.#outer.digest("hex") };
  }
}

function fill(file: Deno.FsFile, piece: Uint8Array, at: number): void {
  file.seekSync(at, Deno.SeekMode.Start);
  for (let have = 0; have < piece.length;) {
    const count = file.readSync(piece.subarray(have));
    if (count === null || count === 0) throw new Error(`the file ends at byte ${at + have}`);
    have += count;
  }
}
