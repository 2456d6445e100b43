import { AimError } from "../../errors/aim_error.ts";
import { errorFrom } from "../../errors/from_unknown.ts";
import { log } from "../../log/logger.ts";
import type { ByteRange, ManifestFile } from "../../sources/manifest.ts";
import { type RangeBody, TransientError } from "../../sources/source.ts";
import { AttemptFailed, fatalFrom, integrityError, isFatal, Superseded } from "../attempt_errors.ts";
import { copyBody } from "../copy_body.ts";
import type { DigestSpec } from "../hash/digests.ts";
import { divisionOf } from "./division.ts";
import { type FileState, type Flow, type LargeFile, type PartOwner, reachedBy } from "./large_file.ts";
import { type HashPool, hashPool } from "../hash/hash_pool.ts";
import { hostIdentity } from "../lease/host_identity.ts";
import { nonce } from "../nonce.ts";
import { bindingOf } from "./part_record.ts";
import { PartialFile, type PartialOwner, StagingLostError } from "./partial_file.ts";
import { partsOf } from "../planner.ts";
import { prefixEnd, rangeBytes } from "../ranges.ts";
import type { TransferRun } from "../transfer_run.ts";
import type { ComputedDigests, TransferItem } from "../types.ts";

/**
 * Hashing threads at most, each of which takes 15 MiB of memory. SHA-256 is as fast as bytes come on one,
 * without instructions for it on two; MD5 and checksums take more.
 */
function hashingThreads(specs: readonly DigestSpec[]): number {
  const cores = navigator.hardwareConcurrency;
  const isSha256 = specs.every(({ algorithm }) => algorithm === "sha256");
  return Math.min(cores, isSha256 ? (cores > 2 ? 2 : 1) : 4);
}

/**
 * Downloads files in parts, each over a connection of its own, hashes them while they grow, and publishes what
 * is proven.
 */
export class LargeFiles {
  readonly #run: TransferRun;
  readonly #requeue: (file: LargeFile, parts: Iterable<ByteRange>) => void;
  /** Made for the first file: a source has one kind of digest. */
  #pool: HashPool | null = null;
  readonly #owner: PartialOwner;
  readonly #flows = new Set<Flow>();
  readonly #open = new Set<LargeFile>();
  readonly #flushing = new Set<LargeFile>();
  /** The server, or a proxy before it, has answered a part with a complete file. */
  #ignoresRanges = false;

  /** @param requeue Puts parts before all others: the file was restarted. */
  constructor(run: TransferRun, requeue: (file: LargeFile, parts: Iterable<ByteRange>) => void) {
    this.#run = run;
    this.#requeue = requeue;
    this.#owner = { files: run.files, self: hostIdentity() };
  }

  /**
   * Takes over what an earlier run left.
   *
   * @param names File names in the staging directory that earlier runs left for this file.
   * @returns `settled`: no other process can still be writing to it.
   */
  adopt(
    item: TransferItem,
    specs: readonly DigestSpec[],
    names: readonly string[],
  ): { file: LargeFile; settled: boolean } {
    const { partial, settled } = PartialFile.adopt(
      item.staging,
      nonce(),
      this.#binding(item.file),
      this.#owner,
      names,
    );
    const state: FileState = { kind: "parts" };
    return {
      file: { kind: "large", item, specs, partial, hash: null, state, rejected: 0, stolen: 0 },
      settled,
    };
  }

  /**
   * Downloads a part, in as many attempts as it takes, and proves the file after its last part. What fails in
   * the end ends the transfer.
   *
   * @param round The file's, for which the part was planned.
   */
  async download(file: LargeFile, part: ByteRange, round: number): Promise<void> {
    try {
      await this.#download(file, part, round);
    } catch (error) {
      this.#run.fail(file.item.file, error);
    }
  }

  async #download(file: LargeFile, part: ByteRange, round: number): Promise<void> {
    const owner: PartOwner = {};
    // The file was restarted, or another connection downloads or has downloaded all of it: this part is no
    // longer wanted.
    const unwanted = () =>
      roundOf(file) !== round || file.state.kind === "proving" ||
      (file.state.kind === "stream" && file.state.owner !== owner);
    let range = part;
    for (let failures = 0; range.start < range.end;) {
      if (unwanted()) return;
      if (this.#ignoresRanges && file.state.kind === "parts" && this.#isUntouched(file)) {
        // One connection asks for all of it: each further part would be sent as a complete file, too.
        file.state = { kind: "stream", owner };
        range = { start: 0, end: file.item.file.size };
      }
      try {
        this.#local(file, () => this.#activate(file));
        range = await this.#attempt(file, range, owner);
      } catch (failure) {
        if (unwanted()) return;
        // Another connection downloads it, and may have finished the file meanwhile.
        if (failure instanceof Superseded) return;
        if (failure instanceof StagingLostError) return this.#stolen(file, failure);
        if (!(failure instanceof AttemptFailed)) throw failure;
        range = failure.rest;
        failures = failure.moved ? 1 : failures + 1;
        await this.#run.pause(file.item.file, failures, failure.cause);
      }
    }
    if (!unwanted() && file.partial.whole) this.finish(file);
  }

  /** Proves and publishes a file beside the transfer; the connection goes on. */
  finish(file: LargeFile): void {
    file.state = { kind: "proving" };
    this.#run.track(this.#proveAndPublish(file), file.item.file);
  }

  /**
   * Looks how far the connections have come, ends those that have stalled, and lets what has arrived be
   * hashed.
   */
  look(): void {
    for (const { moved, abort } of this.#flows) {
      if (moved !== null && this.#run.isStalled(moved)) abort.abort(this.#run.stalled());
    }
    for (const file of new Set(this.#flows.values().map((flow) => flow.file))) {
      file.hash?.advance(this.#reached(file));
    }
  }

  /**
   * Takes the rest of a part from a slow connection, for one that has nothing to do; `null` if all will be
   * done soon.
   */
  divide(): { readonly file: LargeFile; readonly range: ByteRange } | null {
    const now = this.#run.clock.now();
    const flowing = [...this.#flows].flatMap((flow) =>
      flow.state.kind === "flowing" && flow.state.divisible
        ? [{ flow, part: { ...flow.range, at: flow.at, elapsed: now - flow.state.since } }]
        : []
    );
    const division = divisionOf(flowing.map(({ part }) => part));
    const flow = division === null ? undefined : flowing[division.part]?.flow;
    if (division === null || flow === undefined) return null;
    const range = { start: division.at, end: flow.range.end };
    flow.range.end = division.at;
    return { file: flow.file, range };
  }

  /**
   * Stops downloading files that another process has taken over, and records how far the others are, in case
   * this process is killed.
   */
  check(): void {
    for (const file of this.#open) {
      try {
        file.partial.checkOwned();
        this.#note(file);
      } catch (error) {
        const failure = error instanceof StagingLostError
          ? error
          : errorFrom(error, `writing ${file.partial.path}`);
        for (const flow of this.#flows) if (flow.file === file) flow.abort.abort(failure);
      }
    }
  }

  /** Flushes what has arrived of all files. */
  flush(): void {
    for (const file of this.#open) {
      // A disk that is slower than the network is not asked again meanwhile.
      if (this.#flushing.has(file)) continue;
      this.#flushing.add(file);
      this.#run.track(file.partial.flush().finally(() => this.#flushing.delete(file)), file.item.file);
    }
  }

  /** Stops hashing, and flushes what was recorded. */
  async stop(): Promise<void> {
    this.#pool?.close();
    await Promise.all([...this.#open].map((file) => file.partial.flush().catch(() => {})));
  }

  /** Closes the files: what was downloaded stays for a later run. */
  close(): void {
    for (const file of this.#open) file.partial.close();
  }

  #binding(file: ManifestFile) {
    return bindingOf(this.#run.options.revision, file);
  }

  /** Opens what is needed to write. */
  #activate(file: LargeFile): void {
    if (this.#run.stop.signal.aborted) throw this.#run.stop.signal.reason;
    file.partial.open();
    if (this.#open.has(file)) return;
    this.#open.add(file);
    this.#run.state(file.item.file, "active");
  }

  /** Starts hashing what is on disk. */
  #hash(file: LargeFile): void {
    if (file.hash === null && file.specs.length > 0) {
      this.#pool ??= hashPool({ workers: hashingThreads(file.specs) });
      file.hash = this.#pool.open(file.partial.path, file.item.file.size, file.specs);
      file.hash.advance(prefixEnd(file.partial.done));
    }
  }

  /**
   * One request for a range. Resolves to the empty rest.
   *
   * @throws {AttemptFailed} worth another attempt, with the rest.
   */
  async #attempt(file: LargeFile, range: ByteRange, owner: PartOwner): Promise<ByteRange> {
    const flow = this.#start(file, range, owner);
    const onStop = () => flow.abort.abort(this.#run.stop.signal.reason);
    if (this.#run.stop.signal.aborted) onStop();
    this.#run.stop.signal.addEventListener("abort", onStop, { once: true });
    let failure: unknown = null;
    try {
      await this.#transfer(flow);
    } catch (error) {
      failure = flow.abort.signal.aborted ? flow.abort.signal.reason : error;
      // Whatever failed, the server should not send more.
      flow.abort.abort(failure);
    }
    this.#run.stop.signal.removeEventListener("abort", onStop);
    this.#flows.delete(flow);
    const { at, range: { start, end } } = flow;
    if (flow.state.kind === "flowing") {
      this.#local(file, () => file.partial.wrote({ start, end: at }));
      file.hash?.advance(this.#reached(file));
    }
    if (at === end && flow.state.kind !== "dropped") return { start: at, end: at };
    failure ??= new TransientError(`the body ended after ${at - start} of ${end - start} bytes`);
    if (isFatal(failure)) throw fatalFrom(failure, `writing ${file.partial.path}`);
    throw new AttemptFailed({ start: at, end }, at > start, failure);
  }

  #start(file: LargeFile, range: ByteRange, owner: PartOwner): Flow {
    const flow: Flow = {
      file,
      owner,
      abort: new AbortController(),
      range: { ...range },
      at: range.start,
      moved: this.#run.clock.now(),
      state: { kind: "asking" },
    };
    this.#flows.add(flow);
    return flow;
  }

  /** Asks for a flow's range and copies it to the file. */
  async #transfer(flow: Flow): Promise<void> {
    const { stop, source, bucket, clock } = this.#run;
    const { file, range: { start, end }, abort: { signal } } = flow;
    stop.signal.throwIfAborted();
    const all = start === 0 && end === file.item.file.size;
    const asked = source.read(file.item.file, all ? null : { start, end }, signal);
    // Its failure is seen below. Starting the thread takes 10 ms, while the answer is on its way.
    asked.catch(() => {});
    this.#hash(file);
    const body = await asked;
    if (body.range.start !== start || body.range.end !== end) this.#widen(flow, body);
    signal.throwIfAborted();
    using handle = file.partial.writer(flow.range.start);
    // With limited bandwidth, another connection downloads nothing sooner.
    const divisible = file.state.kind === "parts" && bucket === null;
    flow.state = { kind: "flowing", since: clock.now(), divisible };
    await copyBody(body, {
      range: flow.range,
      file: handle,
      signal,
      onChunk: async (bytes, skipped) => {
        this.#run.moved += skipped;
        // Waiting for a share of the bandwidth, or for the disk, is no stall.
        flow.moved = null;
        await bucket?.take(bytes, signal);
      },
      onWritten: (at) => {
        flow.moved = clock.now();
        this.#count(flow, at);
      },
    });
  }

  /**
   * The server ignored the range and sends the complete file: this connection alone downloads it. What others
   * have downloaded is thrown away, since what was hashed must not be written again.
   */
  #widen(flow: Flow, body: RangeBody): void {
    const { file, range, owner } = flow;
    const { size, path } = file.item.file;
    if (body.range.start > range.start || body.range.end < range.end) {
      void body.body.cancel().catch(() => {});
      throw new TransientError(
        `the server sent bytes ${body.range.start} to ${body.range.end} of ${path}, ` +
          `asked for ${range.start} to ${range.end}`,
      );
    }
    // All of it is on disk already, or another connection downloads all of it.
    if (file.state.kind !== "parts") {
      if (file.state.kind === "stream" && file.state.owner === owner) return void (range.end = size);
      void body.body.cancel().catch(() => {});
      throw new Superseded();
    }
    log.debug(`${path}: the server ignores ranges, reading it in one stream`);
    this.#ignoresRanges = true;
    file.state = { kind: "stream", owner };
    flow.at = 0;
    flow.range = { start: 0, end: size };
    this.#startAnew(file, flow);
    this.#activate(file);
    this.#hash(file);
  }

  #isUntouched(file: LargeFile): boolean {
    return file.partial.done.length === 0 && this.#flows.values().every((flow) => flow.file !== file);
  }

  #reached(file: LargeFile): number {
    return reachedBy(file, file.partial.done, this.#flows);
  }

  async #proveAndPublish(file: LargeFile): Promise<void> {
    const { item } = file;
    try {
      this.#local(file, () => this.#activate(file));
      this.#hash(file);
      this.#run.state(item.file, "verifying");
      file.hash?.advance(item.file.size);
      const digests = await (file.hash?.done ?? {});
      if (!this.#run.matches(item.file, digests)) return this.#rejected(file, digests);
      const target = item.target(digests);
      await file.partial.publish(target);
      this.#open.delete(file);
      this.#run.done(item, target, digests);
    } catch (error) {
      if (error instanceof StagingLostError) return this.#stolen(file, error);
      throw errorFrom(error, `writing ${file.partial.path}`);
    }
  }

  /** A wrong digest: once more from nothing, then the end. */
  #rejected(file: LargeFile, digests: ComputedDigests): void {
    const { file: wanted } = file.item;
    if (file.rejected > 0) {
      file.partial.discard();
      this.#open.delete(file);
      throw integrityError(wanted, digests);
    }
    file.rejected++;
    log.warn(`${wanted.path} does not match its digest, fetching it again`, {
      digest: wanted.digest?.algorithm,
    });
    this.#again(file);
  }

  /** Another process took the partial file: begin anew under another name, sharing nothing. */
  #stolen(file: LargeFile, error: StagingLostError): void {
    if (++file.stolen > 3) {
      throw new AimError("unexpected", `other processes keep taking over ${file.item.file.path}`, {
        hint: "let one process download the model",
        cause: error,
      });
    }
    log.warn(`another process has taken over ${file.item.file.path}, fetching it anew`);
    this.#again(file);
  }

  /** All of a file from nothing, by any connection. */
  #again(file: LargeFile): void {
    this.#startAnew(file, null);
    file.state = { kind: "parts" };
    this.#requeue(file, partsOf({ size: file.item.file.size, done: [] }, this.#run.budget.partSize));
  }

  /** Throws away what has arrived of a file, and ends every connection that downloads it but one. */
  #startAnew(file: LargeFile, but: Flow | null): void {
    for (const flow of this.#flows) {
      if (flow.file !== file || flow === but || flow.state.kind === "dropped") continue;
      this.#count(flow, flow.range.start);
      flow.state = { kind: "dropped" };
      flow.abort.abort(new Superseded());
    }
    this.#run.bytes(file.item.file, -rangeBytes(file.partial.done));
    file.hash?.cancel();
    file.hash = null;
    file.partial.discard();
    file.partial = PartialFile.fresh(file.item.staging, nonce(), this.#binding(file.item.file), this.#owner);
  }

  /** Records what has arrived of the parts under way as well. */
  #note(file: LargeFile): void {
    for (const { file: of, state, range, at } of this.#flows) {
      if (of === file && state.kind !== "dropped") file.partial.wrote({ start: range.start, end: at });
    }
  }

  #count(flow: Flow, at: number): void {
    if (flow.state.kind === "dropped") return;
    if (at > flow.at) this.#run.moved += at - flow.at;
    this.#run.bytes(flow.file.item.file, at - flow.at);
    flow.at = at;
  }

  /** Runs something that touches only this machine's files. */
  #local(file: LargeFile, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error === this.#run.stop.signal.reason || error instanceof StagingLostError) throw error;
      throw errorFrom(error, `writing ${file.partial.path}`);
    }
  }
}

/** Counts how often a file was restarted by all connections. */
export function roundOf({ rejected, stolen }: LargeFile): number {
  return rejected + stolen;
}
