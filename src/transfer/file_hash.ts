import { createHash } from "node:crypto";
import { type DigestSpec, digestStream } from "./digests.ts";
import { LANE_BYTES, LANES, type Md5Lanes, md5Lanes } from "./md5_lanes.ts";
import type { ComputedDigests } from "./types.ts";

/** Digests of a file of which more and more is there. */
export interface FileHash {
  /** Bytes that were hashed. */
  readonly at: number;
  /** Whether a step can be made when bytes `[0, to)` are there. */
  ready(to: number): boolean;
  /** Hashes some of what is there. @throws {Error} where the file is shorter than it was said to be. */
  step(to: number): void;
  /** Ends it, once all was hashed. */
  digests(): ComputedDigests;
}

/** Bytes a step: between two of them, messages are looked at. */
const SLICE = 16 * 1024 * 1024;
/** Bytes in parts hashed side by side, at most: so much must be there before they begin. */
const LARGEST_GROUP = 512 * 1024 * 1024;
/** A lane's bytes a step: whole inputs. */
const LANE_SLICE = Math.floor(SLICE / LANES / LANE_BYTES) * LANE_BYTES;

const buffer = new Uint8Array(128 * 1024);

/** Starts digests of an open file of `size` bytes. */
export function fileHash(file: Deno.FsFile, size: number, specs: readonly DigestSpec[]): FileHash {
  const [only, ...more] = specs;
  if (only?.algorithm === "multipart-md5" && more.length === 0 && only.others === undefined) {
    const part = evenPart(only.partSizes, size);
    const lanes = part === null ? null : md5Lanes();
    if (part !== null && lanes !== null) return new EvenPartsHash(file, size, part, lanes);
  }
  return new InOrderHash(file, size, specs);
}

/** The size of parts that are all alike, but for a smaller last one; `null` where they are not, or side by side is not worth while. */
function evenPart(partSizes: readonly number[], size: number): number | null {
  const [part = 0] = partSizes;
  const last = size - part * (partSizes.length - 1);
  const even = partSizes.slice(0, -1).every((bytes) => bytes === part) && last > 0 && last <= part;
  return even && part % 64 === 0 && partSizes.length > LANES && part * LANES <= LARGEST_GROUP ? part : null;
}

/** From the first byte to the last. */
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

/** A multipart ETag of even parts: as many parts side by side as there are lanes, what is left one after another. */
class EvenPartsHash implements FileHash {
  readonly #file: Deno.FsFile;
  readonly #size: number;
  readonly #part: number;
  readonly #lanes: Md5Lanes;
  readonly #outer = createHash("md5");
  /** Where the parts under way begin, and how many bytes of each were hashed. */
  #group = 0;
  #done = 0;

  constructor(file: Deno.FsFile, size: number, part: number, lanes: Md5Lanes) {
    this.#file = file;
    this.#size = size;
    this.#part = part;
    this.#lanes = lanes;
    lanes.start();
  }

  get at(): number {
    return this.#group + this.#done * LANES;
  }

  /** Where what can be hashed next ends: a whole part for each lane, or one that is left. */
  get #end(): number {
    const all = this.#group + this.#part * LANES;
    return all <= this.#size ? all : Math.min(this.#size, this.#group + this.#part);
  }

  ready(to: number): boolean {
    return to >= this.#end;
  }

  step(to: number): void {
    if (!this.ready(to) || this.#group >= this.#size) return;
    if (this.#end === this.#group + this.#part * LANES) this.#all();
    else this.#one();
  }

  #all(): void {
    const until = Math.min(this.#part, this.#done + LANE_SLICE);
    while (this.#done < until) {
      const bytes = Math.min(LANE_BYTES, until - this.#done);
      for (const [lane, input] of this.#lanes.inputs.entries()) {
        fill(this.#file, input.subarray(0, bytes), this.#group + lane * this.#part + this.#done);
      }
      this.#lanes.update(bytes);
      this.#done += bytes;
    }
    if (this.#done < this.#part) return;
    for (const digest of this.#lanes.finish(0)) this.#outer.update(digest);
    this.#lanes.start();
    this.#group += this.#part * LANES;
    this.#done = 0;
  }

  #one(): void {
    const end = this.#end;
    const inner = createHash("md5");
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

/** Fills a piece from a place in the file. */
function fill(file: Deno.FsFile, piece: Uint8Array, at: number): void {
  file.seekSync(at, Deno.SeekMode.Start);
  for (let have = 0; have < piece.length;) {
    const count = file.readSync(piece.subarray(have));
    if (count === null || count === 0) throw new Error(`the file ends at byte ${at + have}`);
    have += count;
  }
}
