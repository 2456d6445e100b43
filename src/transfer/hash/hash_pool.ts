import type { Digest, DigestAlgorithm } from "../../sources/manifest.ts";
import { digestMatches, type DigestSpec, digestSpecs } from "./digests.ts";
import type { HashReply, HashRequest } from "./hash_worker.ts";
import type { ComputedDigests } from "../types.ts";

/** Hashing of one file that is still being written. */
export interface HashJob {
  /** Bytes `[0, to)` are on disk and will not change. */
  advance(to: number): void;
  /** Resolves once all bytes have been announced and hashed. */
  readonly done: Promise<ComputedDigests>;
  /** Stops it; `done` rejects. */
  cancel(): void;
}

/** Threads that hash files. They start when first needed. */
export interface HashPool extends Disposable {
  /**
   * Hashes a complete file.
   *
   * @param onBytes Called with bytes hashed since the last call.
   * @throws The signal's reason; an error for a file that cannot be read.
   */
  hash(
    path: string,
    digests: readonly (Digest | DigestAlgorithm)[],
    onBytes?: (bytes: number) => void,
  ): Promise<ComputedDigests>;
  /**
   * Checks the digest of a complete file. Returns its digests; `null` if `digest` is not right or the file cannot be
   * read.
   *
   * @param wanted More digests to compute.
   * @throws The signal's reason.
   */
  prove(path: string, digest: Digest, wanted?: readonly DigestAlgorithm[]): Promise<ComputedDigests | null>;
  /** Hashes a file while it grows. */
  open(path: string, size: number, specs: readonly DigestSpec[], onBytes?: (bytes: number) => void): HashJob;
  /** Stops the threads; unfinished work rejects. */
  close(): void;
}

interface Pending {
  readonly resolve: (digests: ComputedDigests) => void;
  readonly reject: (error: unknown) => void;
  readonly worker: PoolWorker;
  readonly onBytes: ((bytes: number) => void) | undefined;
  readonly size: number;
  hashed: number;
}

interface PoolWorker {
  readonly worker: Worker;
  /** Bytes of its files, hashed or not. */
  bytes: number;
}

/**
 * A pool of hashing threads. Requires read permission for what is hashed.
 *
 * @param options `workers`: threads at most. @default {the number of processors, at most 4} `signal` stops them.
 */
export function hashPool(
  { workers: wanted = Math.min(4, navigator.hardwareConcurrency), signal }: {
    readonly workers?: number;
    readonly signal?: AbortSignal | undefined;
  } = {},
): HashPool {
  signal?.throwIfAborted();
  const most = Math.max(1, wanted);
  const workers: PoolWorker[] = [];
  const pending = new Map<number, Pending>();
  let lastId = 0;

  const idlest = (): PoolWorker => {
    const least = workers.toSorted((a, b) => a.bytes - b.bytes)[0];
    if (least !== undefined && (least.bytes === 0 || workers.length >= most)) return least;
    const started: PoolWorker = { worker: new Worker(workerUrl(), { type: "module" }), bytes: 0 };
    started.worker.onmessage = ({ data }: MessageEvent<HashReply>) => receive(data);
    started.worker.onerror = (event) => {
      event.preventDefault();
      fail(started, new Error(`the hashing thread failed: ${event.message}`));
    };
    workers.push(started);
    return started;
  };

  const settle = (id: number): Pending | undefined => {
    const job = pending.get(id);
    if (job === undefined) return undefined;
    pending.delete(id);
    job.worker.bytes -= job.size;
    return job;
  };

  const receive = (reply: HashReply) => {
    if (reply.type === "hashed") {
      const job = pending.get(reply.id);
      if (job === undefined) return;
      job.onBytes?.(reply.at - job.hashed);
      job.hashed = reply.at;
      return;
    }
    const job = settle(reply.id);
    if (job === undefined) return;
    if (reply.type === "failed") return job.reject(new Error(reply.message));
    job.onBytes?.(job.size - job.hashed);
    job.resolve(reply.digests);
  };

  const fail = (worker: PoolWorker, error: unknown) => {
    const at = workers.indexOf(worker);
    if (at >= 0) workers.splice(at, 1);
    worker.worker.terminate();
    for (const [id, job] of [...pending]) if (job.worker === worker) settle(id)?.reject(error);
  };

  const close = () => {
    signal?.removeEventListener("abort", close);
    const reason = signal?.aborted === true ? signal.reason : new Error("hashing was stopped");
    for (const worker of [...workers]) fail(worker, reason);
  };
  signal?.addEventListener("abort", close);

  const open: HashPool["open"] = (path, size, specs, onBytes) => {
    signal?.throwIfAborted();
    const id = ++lastId;
    const worker = idlest();
    worker.bytes += size;
    const send = (request: HashRequest) => worker.worker.postMessage(request);
    const done = new Promise<ComputedDigests>((resolve, reject) => {
      pending.set(id, { resolve, reject, worker, onBytes, size, hashed: 0 });
    });
    // A caller that waits sees the failure; work that was stopped may have no caller.
    done.catch(() => {});
    send({ type: "open", id, path, size, specs });
    let announced = 0;
    return {
      advance(to) {
        if (to <= announced || !pending.has(id)) return;
        announced = to;
        send({ type: "advance", id, to });
      },
      done,
      cancel() {
        const job = settle(id);
        if (job === undefined) return;
        send({ type: "cancel", id });
        job.reject(new Error("hashing was given up"));
      },
    };
  };

  const hash: HashPool["hash"] = async (path, digests, onBytes) => {
    const { size } = await Deno.stat(path);
    const specs = digests.flatMap((d) => typeof d === "string" ? digestSpecs(null, [d]) : digestSpecs(d));
    const job = open(path, size, specs, onBytes);
    job.advance(size);
    return await job.done;
  };

  return {
    open,
    hash,
    async prove(path, digest, wanted = []) {
      const computed = await hash(path, [digest, ...wanted]).catch(() => null);
      signal?.throwIfAborted();
      return computed !== null && digestMatches(digest, computed) ? computed : null;
    },
    close,
    [Symbol.dispose]: close,
  };
}

/** Where the worker's module is: beside this one, compiled as this one is. */
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./hash_worker.ts" : "./hash_worker.js", import.meta.url);
}
