import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import { type FilesBelow, filesBelow } from "../os/files_below.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import { type Source, SourceChangedError, TransientError } from "../sources/source.ts";
import { backoff } from "../sources/transport/backoff.ts";
import { isFatal } from "./attempt_errors.ts";
import { systemClock } from "./clock.ts";
import { digestMatches, isGuess } from "./hash/digests.ts";
import { partSizeFor, type PlanBudget } from "./planner.ts";
import { type TakeBytes, tokenBucket } from "./token_bucket.ts";
import type {
  Clock,
  ComputedDigests,
  FileState,
  TransferEvent,
  TransferItem,
  TransferOptions,
  TransferredFile,
} from "./types.ts";
import { WorkQueue } from "./work_queue.ts";

export interface OpenRequest {
  readonly abort: AbortController;
  /** When the last byte arrived, in milliseconds; `null` while it waits for bandwidth or the disk. */
  moved: number | null;
}

/**
 * Maximum attempts in a row without a new byte, about half a minute of a dead server. A byte that arrives
 * resets the count, so a download over a link that is cut every N bytes still finishes.
 */
const ATTEMPTS = 8;
/** Maximum milliseconds before the second attempt. */
const FIRST_WAIT = 500;

/** What the connections of a transfer share: the source, the clock, the limits, the end, the progress. */
export class TransferRun {
  readonly source: Source;
  readonly options: TransferOptions;
  readonly clock: Clock;
  readonly budget: PlanBudget;
  /** The bandwidth limit; `null` without one. */
  readonly takeBytes: TakeBytes | null;
  /** Aborted by the caller's signal, by the first failure, and at the end. */
  readonly stop = new AbortController();
  /** By staging path. */
  readonly results = new Map<string, TransferredFile>();
  /** Bytes that have arrived. */
  moved = 0;
  readonly files: FilesBelow;
  /** The connections' work. It ends when every file has its final name, or the transfer is stopped. */
  readonly queue = new WorkQueue();
  readonly #count: number;
  readonly #beside = new Set<Promise<void>>();
  readonly #requests = new Set<OpenRequest>();

  /** @param sizes Bytes of each file. */
  constructor(source: Source, options: TransferOptions, sizes: readonly number[]) {
    this.source = source;
    this.files = filesBelow(options.root);
    this.#count = sizes.length;
    this.stop.signal.addEventListener("abort", () => this.queue.close(), { once: true });
    this.options = options;
    this.clock = options.clock ?? systemClock;
    const { jobs, partSize } = options;
    this.budget = { jobs, partSize: partSize ?? partSizeFor(sizes, jobs) };
    this.takeBytes = options.maxBandwidth === null ? null : tokenBucket(options.maxBandwidth, this.clock);
  }

  /** False if the digest shows that the bytes are wrong. */
  matches({ digest }: ManifestFile, digests: ComputedDigests): boolean {
    return !this.options.verify || digest === null || isGuess(digest) || digestMatches(digest, digests);
  }

  /** Records that a file has its final name. */
  done(item: TransferItem, target: string, digests: ComputedDigests): void {
    const { digest, path } = item.file;
    const wanted = this.options.verify ? digest : null;
    const proven = wanted !== null && digestMatches(wanted, digests);
    if (!proven && wanted !== null) {
      log.warn(
        `${path} cannot be verified, only its size was checked: the source does not report its part sizes`,
      );
    }
    const result: TransferredFile = { file: item.file, target, digests, proof: proven ? "digest" : "size" };
    this.results.set(item.staging, result);
    this.options.onFile?.(result);
    this.state(item.file, "done");
    if (this.results.size === this.#count) this.queue.close();
  }

  /** The first failure ends the transfer. */
  fail({ file, staging }: TransferItem, error: unknown): void {
    if (this.stop.signal.aborted) return;
    this.state(file, "failed");
    this.stop.abort(error instanceof SourceChangedError ? error : errorFrom(error, `writing ${staging}`));
  }

  /** Tracks background work. Its failure ends the transfer. */
  track(work: Promise<void>, item: TransferItem): void {
    const tracked = work.catch((error) => this.fail(item, error)).finally(() => this.#beside.delete(tracked));
    this.#beside.add(tracked);
  }

  /** Waits for the background work. */
  async settle(): Promise<void> {
    await Promise.all(this.#beside);
  }

  /** Waits before another attempt, or gives up: throws `cause` if a retry cannot help. */
  async pause(file: ManifestFile, failures: number, cause: unknown): Promise<void> {
    this.stop.signal.throwIfAborted();
    if (isFatal(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (failures >= ATTEMPTS) {
      const message = `${file.path} from ${this.source.uri}: ${reason} (${failures} attempts in a row)`;
      const hint = "retry once the network or server recovers; finished parts are kept";
      throw new AimError("network", message, { hint, cause });
    }
    const asked = cause instanceof TransientError ? cause.retryAfter : null;
    const delay = backoff(failures, Math.random(), FIRST_WAIT, asked);
    this.emit({ type: "retry", path: file.path, attempt: failures + 1, delay, reason });
    log.debug(`trying ${file.path} again in ${Math.round(delay)} ms: ${reason}`);
    await this.clock.sleep(delay, this.stop.signal);
  }

  get requests(): number {
    return this.#requests.size;
  }

  /** Makes a request, aborted when it stalls or the transfer ends. Resolves to the failure, or `null`. */
  async attempt(work: (request: OpenRequest) => Promise<void>): Promise<unknown> {
    const request: OpenRequest = { abort: new AbortController(), moved: this.clock.now() };
    const { signal } = request.abort;
    const onStop = () => request.abort.abort(this.stop.signal.reason);
    if (this.stop.signal.aborted) onStop();
    this.stop.signal.addEventListener("abort", onStop, { once: true });
    this.#requests.add(request);
    try {
      signal.throwIfAborted();
      await work(request);
      return null;
    } catch (error) {
      const cause: unknown = signal.aborted ? signal.reason : error;
      // After any failure, the server should stop sending.
      request.abort.abort(cause);
      return cause ?? new Error(`failed with ${cause}`);
    } finally {
      this.#requests.delete(request);
      this.stop.signal.removeEventListener("abort", onStop);
    }
  }

  /** Ends requests that have stalled. */
  look(): void {
    const { stallTimeout } = this.options;
    for (const { abort, moved } of this.#requests) {
      if (moved === null || this.clock.now() - moved <= stallTimeout) continue;
      abort.abort(new TransientError(`no data received for ${stallTimeout / 1000} s`));
    }
  }

  bytes(file: ManifestFile, bytes: number): void {
    if (bytes !== 0) this.emit({ type: "bytes", path: file.path, bytes });
  }

  state(file: ManifestFile, state: FileState): void {
    this.emit({ type: "file", path: file.path, state, size: file.size });
  }

  emit(event: TransferEvent): void {
    this.options.onEvent?.(event);
  }
}
