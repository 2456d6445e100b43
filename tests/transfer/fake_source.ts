import { createHash } from "node:crypto";
import type { ByteRange, Digest, Manifest, ManifestFile, RelativePath } from "../../src/sources/manifest.ts";
import type { RangeBody, Source } from "../../src/sources/source.ts";

/** Seeded pseudo-random numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}

export function randomBytes(length: number, random: () => number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** One request, as a fault sees it. */
export interface FakeRequest {
  readonly file: ManifestFile;
  readonly range: ByteRange | null;
  /** Number of earlier requests, for all files. */
  readonly index: number;
  readonly signal: AbortSignal;
}

/** Answers a request; `null` stands for the correct answer. */
export type Fault = (request: FakeRequest, right: () => RangeBody) => RangeBody | Promise<RangeBody> | null;

/** A source in memory. */
export class FakeSource implements Source {
  readonly uri = "hf://fake/model";
  readonly contents: ReadonlyMap<string, Uint8Array>;
  readonly requests: FakeRequest[] = [];
  fault: Fault = () => null;

  constructor(contents: Readonly<Record<string, Uint8Array>>) {
    this.contents = new Map(Object.entries(contents));
  }

  file(path: string, digest: Digest | null | undefined = undefined): ManifestFile {
    const bytes = this.contents.get(path) ?? new Uint8Array();
    const hex = createHash("sha256").update(bytes).digest("hex");
    return {
      path: path as RelativePath,
      size: bytes.length,
      digest: digest === undefined ? { algorithm: "sha256", hex } : digest,
      etag: hex,
    };
  }

  get files(): ManifestFile[] {
    return [...this.contents.keys()].map((path) => this.file(path));
  }

  manifest(): Promise<Manifest> {
    return Promise.resolve({ source: this.uri, revision: "main", commit: null, files: this.files });
  }

  async read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody> {
    await Promise.resolve();
    signal.throwIfAborted();
    const request = { file, range, index: this.requests.length, signal };
    this.requests.push(request);
    const right = () => this.body(file.path, range ?? { start: 0, end: file.size });
    return await this.fault(request, right) ?? right();
  }

  /** The correct answer. */
  body(path: string, range: ByteRange): RangeBody {
    const bytes = (this.contents.get(path) ?? new Uint8Array()).subarray(range.start, range.end);
    return { range, body: streamOf(bytes) };
  }

  [Symbol.dispose](): void {}
}

/** A stream of bytes in pieces, and how it ends. */
export function streamOf(
  bytes: Uint8Array,
  options: { piece?: number; after?: "close" | "reset" | "hang" } = {},
): ReadableStream<Uint8Array> {
  const { piece = 1000, after = "close" } = options;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.length) return controller.enqueue(bytes.slice(at, at += piece));
      if (after === "close") return controller.close();
      if (after === "reset") return controller.error(new TypeError("error reading a body from connection"));
      return new Promise<void>(() => {});
    },
  }, { highWaterMark: 0 });
}

/** A clock that runs this many times faster than real time. */
export function fastClock(times: number) {
  return {
    now: () => performance.now() * times,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const aborted = () => {
          clearTimeout(timer);
          reject(signal?.reason);
        };
        const timer = setTimeout(() => {
          signal?.removeEventListener("abort", aborted);
          resolve();
        }, ms / times);
        signal?.addEventListener("abort", aborted, { once: true });
      }),
  };
}
