import { errorFrom } from "../../errors/from_unknown.ts";
import { log } from "../../log/logger.ts";
import type { ManifestFile } from "../../sources/manifest.ts";
import { type ByteReader, type RangeBody, TransientError } from "../../sources/source.ts";
import { fatalFrom, integrityError, isFatal } from "../attempt_errors.ts";
import { chunks } from "../copy_body.ts";
import { type DigestSpec, digestStream } from "../hash/digests.ts";
import { nonce } from "../nonce.ts";
import { StagingLostError } from "../large/partial_file.ts";
import { wholeLimit } from "../planner.ts";
import type { PublishOutcome } from "./publish_protocol.ts";
import { Publisher } from "./publisher.ts";
import { ownStaging } from "../staging_names.ts";
import type { TransferRun } from "../transfer_run.ts";
import type { ComputedDigests, TransferItem } from "../types.ts";
import { writeSmallFile } from "./write_small_file.ts";
import { writesOnClose } from "./writes_on_close.ts";

/** A file that is held in memory until it is proven. */
export interface SmallFile {
  readonly kind: "small";
  readonly item: TransferItem;
  readonly specs: readonly DigestSpec[];
}

/**
 * Where writing one file takes so many milliseconds it is a server or a disk that is waited for, and threads wait for several at once. What
 * the page cache takes at once (60 µs a file on ext4, 20 in memory) is done as soon without: a thread takes 10 ms to start, and Deno's
 * calls, all it has, take twice as long as the C library's.
 */
const SLOW = 0.25;
/** Each takes 19 MiB. */
const THREADS = 2;
/** Fewer files do not repay the start of threads. */
const WORTH_THREADS = 64;
/** Files whose writing is timed. */
const TIMED = 15;

/** Brings files in one piece each: one request, one proof, one write. */
export class SmallFiles {
  readonly #run: TransferRun;
  /** Memory that no connection uses at present. */
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  readonly #requests = new Set<OpenRequest>();
  /** No files are asked for together. */
  #alone = false;
  /** Proves and writes beside the connections; `null` where they do that. */
  #publisher: Publisher<SmallFile> | null = null;
  /** As in `WriteOptions`. */
  #sync = true;
  /** Files that were not fetched yet. */
  #left = 0;
  /** Milliseconds that writing took, of the first files. */
  readonly #times: number[] = [];
  readonly #again: (file: SmallFile) => void;

  /** @param again Told of a file that is to be brought once more, by itself. */
  constructor(run: TransferRun, again: (file: SmallFile) => void) {
    this.#run = run;
    this.#again = again;
  }

  /** Makes ready for so many files, which lie on the file system of a directory. */
  async prepare(files: number, directory: string): Promise<void> {
    this.#left = files;
    if (files > WORTH_THREADS) this.#sync = await writesOnClose(directory);
  }

  /**
   * Brings files, asked for together as far as the source does that. What is wrong in the end with one of them ends the transfer. Some may
   * not be `done` yet when this resolves: a thread has them.
   */
  async bringAll(files: readonly SmallFile[]): Promise<void> {
    const rest = files.length > 1 && !this.#alone ? await this.#together(files) : files;
    for (const file of rest) {
      try {
        await this.#bring(file);
      } catch (error) {
        return this.#run.fail(file.item.file, error);
      }
    }
  }

  /** Ends requests that have stalled: nothing of a small file is kept. */
  look(): void {
    for (const { abort, moved } of this.#requests) {
      if (moved !== null && this.#run.isStalled(moved)) abort.abort(this.#run.stalled());
    }
  }

  /** Sends to the threads what waits for company there. */
  flush(): void {
    this.#publisher?.flush();
  }

  /** Resolves when no thread writes any more; what they have not begun is left. */
  async stop(): Promise<void> {
    await this.#publisher?.stop();
  }

  /** Ends the threads at once. */
  close(): void {
    this.#publisher?.close();
  }

  /** Asks for files together. Resolves to those that are still to be brought, each by itself: nothing here is tried twice, or an error. */
  async #together(files: readonly SmallFile[]): Promise<SmallFile[]> {
    const { source } = this.#run;
    const rest = new Map(files.map((file) => [file.item.file, file]));
    using request = this.#open();
    try {
      const asked = [...rest.keys()].filter(({ size }) => size > 0);
      for await (const { file: listed, body } of source.readAll?.(asked, request.abort.signal) ?? []) {
        const file = rest.get(listed);
        if (file === undefined) throw new Error(`${listed.path} was not asked for`);
        this.#run.state(file.item.file, "active");
        const memory = this.#memory();
        const bytes = memory.subarray(0, file.item.file.size);
        await this.#fill(file.item.file, body, bytes, request);
        const proven = await this.#handOver(file, bytes, request) || this.#accept(file, bytes);
        this.#spare.push(memory);
        if (proven) rest.delete(listed);
        // Whatever mixes up answers is not asked for several again.
        else this.#alone = true;
      }
    } catch (error) {
      log.debug(`not asking ${source.uri} for small files together`, { reason: String(error) });
    }
    return [...rest.values()];
  }

  /** @throws {AimError} `integrity` a digest that does not match twice; `network`; `no-space`. */
  async #bring(file: SmallFile): Promise<void> {
    this.#run.state(file.item.file, "active");
    const memory = this.#memory();
    const bytes = memory.subarray(0, file.item.file.size);
    for (let rejected = 0;; rejected++) {
      if (bytes.length > 0) await this.#fetch(file.item.file, bytes);
      if (this.#accept(file, bytes)) return void this.#spare.push(memory);
      if (rejected > 0) throw integrityError(file.item.file, this.#digests(file, bytes));
      log.warn(`${file.item.file.path} does not match its digest, fetching it again`);
    }
  }

  #memory(): Uint8Array<ArrayBuffer> {
    return this.#spare.pop() ?? new Uint8Array(wholeLimit(this.#run.budget));
  }

  #digests(file: SmallFile, bytes: Uint8Array): ComputedDigests {
    const stream = digestStream(file.specs, file.item.file.size);
    stream.update(bytes);
    return stream.digests();
  }

  /** @returns Whether a thread sees to it from here on. */
  async #handOver(file: SmallFile, bytes: Uint8Array, request: OpenRequest): Promise<boolean> {
    const { item, specs } = file;
    const publisher = this.#publisher;
    // A name that depends on the bytes is not known yet.
    if (publisher === null || item.compute.length > 0) return false;
    const task = {
      specs,
      digest: this.#run.options.verify ? item.file.digest : null,
      staging: item.staging,
      target: item.target({}),
      note: item.note ?? null,
    };
    // While the threads are waited for, nothing stalls.
    request.moved = null;
    const taken = await publisher.put(file, task, bytes);
    request.moved = this.#run.clock.now();
    if (taken) this.#fetched();
    request.abort.signal.throwIfAborted();
    return taken;
  }

  /** What a thread says of a file. */
  #take(file: SmallFile, outcome: PublishOutcome, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#run.stop.signal.aborted || outcome.kind === "skipped") return;
    const { item } = file;
    const { digests } = outcome;
    if (outcome.kind === "written") return this.#run.done(item, item.target(digests), digests, outcome.noted);
    try {
      if (outcome.kind === "unwritten") return this.#publish(file, bytes, digests);
    } catch (error) {
      return this.#run.fail(item.file, error);
    }
    this.#alone = true;
    this.#run.bytes(item.file, -bytes.length);
    this.#again(file);
  }

  /** A thread failed that had a file. */
  #lost(file: SmallFile, error: Error): void {
    if (this.#run.stop.signal.aborted) return;
    log.debug(`${file.item.file.path} is fetched again`, { reason: error.message });
    this.#run.bytes(file.item.file, -file.item.file.size);
    this.#again(file);
  }

  /** Nothing more comes soon after the last file. */
  #fetched(): void {
    if (--this.#left <= 0) this.flush();
  }

  /** Decides, by how long the first files took to write, whether there are to be threads. */
  #timed(milliseconds: number): void {
    if (this.#times.length === TIMED || this.#times.push(milliseconds) < TIMED) return;
    const usual = this.#times.toSorted((a, b) => a - b)[TIMED >> 1] ?? 0;
    if (this.#left < WORTH_THREADS || usual < SLOW) return;
    this.#publisher = new Publisher<SmallFile>({
      onOutcome: (file, outcome, bytes) => this.#take(file, outcome, bytes),
      onLost: (file, error) => this.#lost(file, error),
    }, { threads: THREADS, sync: this.#sync });
  }

  /** Gives a file its name, if its bytes are right. */
  #accept(file: SmallFile, bytes: Uint8Array<ArrayBuffer>): boolean {
    this.#fetched();
    const digests = this.#digests(file, bytes);
    if (this.#run.matches(file.item.file, digests)) {
      this.#publish(file, bytes, digests);
      return true;
    }
    this.#run.bytes(file.item.file, -bytes.length);
    return false;
  }

  #publish({ item }: SmallFile, bytes: Uint8Array<ArrayBuffer>, digests: ComputedDigests): void {
    const target = item.target(digests);
    for (let lost = 0;; lost++) {
      try {
        const started = this.#run.clock.now();
        writeSmallFile(ownStaging(item.staging, nonce()), target, bytes);
        this.#timed(this.#run.clock.now() - started);
        return this.#run.done(item, target, digests);
      } catch (error) {
        // Another process, the lease defeated, took it for a leftover.
        if (!(error instanceof StagingLostError) || lost > 3) throw errorFrom(error, `writing ${target}`);
      }
    }
  }

  /** Fills `bytes`, which are as many as the file has. */
  async #fetch(file: ManifestFile, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let failures = 1;; failures++) {
      const failure = await this.#attempt(file, bytes);
      if (failure === null) return;
      if (isFatal(failure.cause)) throw fatalFrom(failure.cause, `reading ${file.path}`);
      await this.#run.pause(file, failures, failure.cause);
    }
  }

  /** One request. Resolves to what went wrong, if anything did. */
  async #attempt(file: ManifestFile, bytes: Uint8Array<ArrayBuffer>): Promise<{ cause: unknown } | null> {
    using request = this.#open();
    const { signal } = request.abort;
    try {
      signal.throwIfAborted();
      await this.#fill(file, await this.#run.source.read(file, null, signal), bytes, request);
      return null;
    } catch (error) {
      return { cause: signal.aborted ? signal.reason : error };
    }
  }

  /** Reads a body that must have as many bytes as the file. */
  async #fill(
    file: ManifestFile,
    { body }: RangeBody,
    bytes: Uint8Array<ArrayBuffer>,
    request: OpenRequest,
  ): Promise<void> {
    const run = this.#run;
    const { signal } = request.abort;
    let at = 0;
    for await (
      const chunk of body instanceof ReadableStream
        ? chunks(body, run.chunk, signal)
        : readInto(body, bytes, signal)
    ) {
      run.moved += chunk.length;
      if (at + chunk.length > file.size) throw new TransientError(`more than ${file.size} bytes came`);
      // Waiting for a share of the bandwidth is no stall.
      request.moved = null;
      await run.bucket?.take(chunk.length, signal);
      request.moved = run.clock.now();
      if (chunk.buffer !== bytes.buffer) bytes.set(chunk, at);
      at += chunk.length;
    }
    if (at < file.size) throw new TransientError(`the body ended after ${at} of ${file.size} bytes`);
    run.bytes(file, at);
  }

  /** A request, or several together, until it is disposed of: it ends with the transfer, and when it stalls. */
  #open(): OpenRequest & Disposable {
    const { stop, clock } = this.#run;
    const abort = new AbortController();
    const onStop = () => abort.abort(stop.signal.reason);
    if (stop.signal.aborted) onStop();
    stop.signal.addEventListener("abort", onStop, { once: true });
    const request = {
      abort,
      moved: clock.now(),
      [Symbol.dispose]: () => {
        this.#requests.delete(request);
        stop.signal.removeEventListener("abort", onStop);
      },
    };
    this.#requests.add(request);
    return request;
  }
}

/** Reads a body into memory of its length; what it has beyond comes as a chunk of its own. */
async function* readInto(
  body: ByteReader,
  bytes: Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    for (let at = 0, count: number | null = 0;; at += count) {
      signal.throwIfAborted();
      const into: Uint8Array<ArrayBuffer> = at < bytes.length ? bytes.subarray(at) : BEYOND;
      count = await body.read(into);
      if (count === null) return;
      yield into.subarray(0, count);
    }
  } finally {
    await body.cancel();
  }
}

/** Takes what nobody wants. */
const BEYOND = new Uint8Array(1);

interface OpenRequest {
  readonly abort: AbortController;
  /** When the last byte came; `null` while none is asked for. */
  moved: number | null;
}
