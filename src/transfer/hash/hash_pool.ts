import type { Digest, DigestAlgorithm } from "../../sources/manifest.ts";
import type { ComputedDigests } from "../types.ts";
import { digestMatches, type DigestSpec, digestSpecs } from "./digests.ts";
import type { HashReply, HashRequest } from "./hash_worker.ts";

/** Hashing of one file that is still being written. */
export interface HashJob {
  /** Bytes `[0, to)` are on disk and will not change. */
  advance(to: number): void;
  /** Resolves once all bytes have been announced and hashed. */
  readonly done: Promise<ComputedDigests>;
  /** Stops it; `done` rejects. */
  cancel(): void;
}

interface Pending {
  readonly resolve: (digests: ComputedDigests) => void;
  readonly reject: (error: unknown) => void;
  readonly worker: Worker;
  readonly onBytes: ((bytes: number) => void) | undefined;
  readonly size: number;
}

/** Threads that hash files. They start when first needed. Requires read permission for what is hashed. */
export class HashPool implements Disposable {
  readonly #most: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.close();
  #workers: readonly Worker[] = [];
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  /** @param options `workers`: maximum threads, by default one per CPU up to 4; `signal` stops them. */
  constructor(
    { workers = Math.min(4, navigator.hardwareConcurrency), signal }: {
      readonly workers?: number;
      readonly signal?: AbortSignal | undefined;
    } = {},
  ) {
    signal?.throwIfAborted();
    this.#most = Math.max(1, workers);
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
  }

  /**
   * Hashes a complete file.
   *
   * @param onBytes Called with bytes hashed since the last call.
   * @throws The signal's reason; an error for a file that cannot be read.
   */
  async hash(
    path: string,
    digests: readonly (Digest | DigestAlgorithm)[],
    onBytes?: (bytes: number) => void,
  ): Promise<ComputedDigests> {
    const { size } = await Deno.stat(path);
    const specs = digests.flatMap((d) => typeof d === "string" ? digestSpecs(null, [d]) : digestSpecs(d));
    const job = this.open(path, size, specs, onBytes);
    job.advance(size);
    return await job.done;
  }

  /** A file's digests, including `wanted`; `null` if it does not match `digest` or cannot be read. */
  async prove(
    path: string,
    digest: Digest,
    wanted: readonly DigestAlgorithm[] = [],
  ): Promise<ComputedDigests | null> {
    const computed = await this.hash(path, [digest, ...wanted]).catch(() => null);
    this.#signal?.throwIfAborted();
    return computed !== null && digestMatches(digest, computed) ? computed : null;
  }

  /** Hashes a file while it grows. */
  open(
    path: string,
    size: number,
    specs: readonly DigestSpec[],
    onBytes?: (bytes: number) => void,
  ): HashJob {
    this.#signal?.throwIfAborted();
    const id = ++this.#lastId;
    const worker = this.#idlest();
    const send = (request: HashRequest) => worker.postMessage(request);
    const { promise: done, resolve, reject } = Promise.withResolvers<ComputedDigests>();
    // A caller that waits still sees the failure; stopped work may have none.
    done.catch(() => {});
    this.#pending.set(id, { resolve, reject, worker, onBytes, size });
    send({ type: "open", id, path, size, specs });
    let announced = 0;
    return {
      advance: (to) => {
        if (to <= announced || !this.#pending.has(id)) return;
        announced = to;
        send({ type: "advance", id, to });
      },
      done,
      cancel: () => {
        if (!this.#pending.has(id)) return;
        send({ type: "cancel", id });
        this.#settle(id)?.reject(new Error("hashing was cancelled"));
      },
    };
  }

  /** Stops the threads; unfinished work rejects. */
  close(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    const reason = this.#signal?.aborted === true ? this.#signal.reason : new Error("hashing was stopped");
    for (const worker of this.#workers) this.#fail(worker, reason);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #idlest(): Worker {
    const [least] = this.#workers.toSorted((a, b) => this.#bytesOf(a) - this.#bytesOf(b));
    if (least !== undefined && (this.#bytesOf(least) === 0 || this.#workers.length >= this.#most)) {
      return least;
    }
    const started = new Worker(workerUrl(), { type: "module" });
    started.onmessage = ({ data }: MessageEvent<HashReply>) => this.#receive(data);
    started.onerror = (event) => {
      event.preventDefault();
      this.#fail(started, new Error(`the hashing thread failed: ${event.message}`));
    };
    this.#workers = [...this.#workers, started];
    return started;
  }

  /** Bytes of a thread's files, hashed or not. */
  #bytesOf(worker: Worker): number {
    return this.#pending.values().filter((job) => job.worker === worker).reduce(
      (sum, job) => sum + job.size,
      0,
    );
  }

  #receive(reply: HashReply): void {
    if (reply.type === "hashed") this.#pending.get(reply.id)?.onBytes?.(reply.bytes);
    else if (reply.type === "done") this.#settle(reply.id)?.resolve(reply.digests);
    else this.#settle(reply.id)?.reject(new Error(reply.message));
  }

  #settle(id: number): Pending | undefined {
    const job = this.#pending.get(id);
    this.#pending.delete(id);
    return job;
  }

  #fail(worker: Worker, error: unknown): void {
    this.#workers = this.#workers.filter((other) => other !== worker);
    worker.terminate();
    for (const [id, job] of [...this.#pending]) if (job.worker === worker) this.#settle(id)?.reject(error);
  }
}

/** The worker's module, which is next to this one and compiled if this one is. */
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./hash_worker.ts" : "./hash_worker.js", import.meta.url);
}
