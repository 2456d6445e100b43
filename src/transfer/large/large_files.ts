import { log } from "../../log/logger.ts";
import type { ByteRange } from "../../sources/manifest.ts";
import { TransientError } from "../../sources/source.ts";
import { chunks } from "../chunks.ts";
import type { DigestSpec } from "../hash/digests.ts";
import { HashPool } from "../hash/hash_pool.ts";
import { partsOf } from "../planner.ts";
import { addRange, prefixEnd, rangeBytes } from "../ranges.ts";
import type { OpenRequest, TransferRun } from "../transfer_run.ts";
import type { TransferItem } from "../types.ts";
import { divisionOf } from "./division.ts";
import { LargeFile } from "./large_file.ts";
import { StagingLostError } from "./partial_file.ts";

/** The download of one part, over all its attempts. */
interface Flow {
  readonly file: LargeFile;
  /** The file's round that it belongs to. */
  round: number;
  /** What the current attempt requests. Its end moves nearer if another connection takes over the rest. */
  range: { start: number; end: number };
  /** The offset up to which it has written. */
  at: number;
  request: OpenRequest | null;
  /** When the response began, in milliseconds; `null` while it waits for one. */
  since: number | null;
}

/** Downloads files in parts, each over its own connection, and hashes them while they grow. */
export class LargeFiles {
  readonly #run: TransferRun;
  readonly #files: LargeFile[] = [];
  readonly #flows = new Set<Flow>();
  #pool: HashPool | null = null;
  /** The server, or a proxy in front of it, has sent a complete file instead of a part. */
  #ignoresRanges = false;

  constructor(run: TransferRun) {
    this.#run = run;
  }

  /** Adds a file, and resumes it from `names`, which an earlier run left in the staging directory. */
  add(item: TransferItem, specs: readonly DigestSpec[], names: readonly string[]): LargeFile {
    // Created for the first file: a source has one kind of digest.
    this.#pool ??= new HashPool({ workers: hashingThreads(specs) });
    const file = new LargeFile(this.#run, this.#pool, item, specs);
    file.partial.adopt(names);
    this.#files.push(file);
    return file;
  }

  /**
   * Downloads a part, with retries, and proves the file after its last part. A final failure ends the
   * transfer.
   *
   * @param round The file's round when the part was planned.
   */
  async download(file: LargeFile, part: ByteRange, round = 0): Promise<void> {
    const flow: Flow = { file, round, range: { ...part }, at: part.start, request: null, since: null };
    this.#flows.add(flow);
    try {
      await this.#download(flow);
    } catch (error) {
      this.#run.fail(file.item, error);
    } finally {
      this.#flows.delete(flow);
    }
  }

  async #download(flow: Flow): Promise<void> {
    const { file } = flow;
    for (let failures = 0; isWanted(flow) && flow.at < flow.range.end;) {
      if (file.ignoresRanges || (this.#ignoresRanges && this.#isUntouched(file))) this.#takeAll(flow);
      const from = flow.at;
      const failure = await this.#attempt(flow);
      if (failure === null || flow.at >= flow.range.end || !isWanted(flow)) continue;
      if (failure instanceof StagingLostError) return this.#stolen(file, failure);
      // A server that ignores ranges sends the same bytes again.
      failures = flow.at > from && !file.ignoresRanges ? 1 : failures + 1;
      await this.#run.pause(file.item.file, failures, failure);
    }
    if (isWanted(flow) && file.isComplete) this.finish(file);
  }

  /** Proves and publishes a file in the background; the connection continues. */
  finish(file: LargeFile): void {
    file.isProving = true;
    this.#run.track(this.#publish(file), file.item);
  }

  async #publish(file: LargeFile): Promise<void> {
    try {
      if (!await file.publish()) this.#again(file);
    } catch (error) {
      if (!(error instanceof StagingLostError)) throw error;
      this.#stolen(file, error);
    }
  }

  /** Continues hashing with what has arrived. */
  look(): void {
    for (const file of new Set(this.#flows.values().map((flow) => flow.file))) this.#hash(file);
  }

  /** Gives an idle connection half of what a slow one has left, unless that will finish soon. */
  divide(): void {
    // With limited bandwidth, another connection makes nothing faster.
    if (this.#run.queue.waiting === 0 || this.#run.takeBytes !== null) return;
    const now = this.#run.clock.now();
    const parts = this.#flows.values()
      .filter((flow) => isWanted(flow) && !(this.#ignoresRanges && isAll(flow)))
      .map((flow) => ({ flow, ...flow.range, at: flow.at, elapsed: now - (flow.since ?? now) }));
    const division = divisionOf(parts);
    if (division === null) return;
    const { part: { flow }, at } = division;
    this.#enqueue(flow.file, [{ start: at, end: flow.range.end }]);
    flow.range.end = at;
  }

  /** Stops files that another process has taken over; records the progress of the others. */
  check(): void {
    for (const file of this.#files) {
      try {
        file.partial.checkOwned();
        for (const flow of this.#flowsOf(file)) this.#record(flow);
      } catch (error) {
        for (const { request } of this.#flowsOf(file)) request?.abort.abort(error);
      }
    }
  }

  flush(): void {
    for (const { item, partial } of this.#files) this.#run.track(partial.flush(), item);
  }

  /** Stops hashing, and flushes what was recorded. */
  async stop(): Promise<void> {
    this.#pool?.close();
    await Promise.all(this.#files.map(({ partial }) => partial.flush().catch(() => {})));
  }

  /** Closes the files: what was downloaded stays for a later run. */
  close(): void {
    for (const { partial } of this.#files) partial.close();
  }

  /** One request for the rest of a flow. Resolves to the failure, or `null`. */
  async #attempt(flow: Flow): Promise<unknown> {
    const failure = await this.#run.attempt(async (request) => {
      flow.request = request;
      flow.file.open();
      await this.#transfer(flow, request);
      const { at, range: { start, end } } = flow;
      if (at < end) throw new TransientError(`the body ended after ${at - start} of ${end - start} bytes`);
    });
    flow.request = null;
    flow.since = null;
    if (flow.round === flow.file.round) {
      this.#record(flow);
      this.#hash(flow.file);
      flow.range.start = flow.at;
    }
    return failure;
  }

  async #transfer(flow: Flow, request: OpenRequest): Promise<void> {
    const { source, takeBytes, clock } = this.#run;
    const { file, at: start, range: { end } } = flow;
    const { signal } = request.abort;
    const asked = source.read(file.item.file, isAll(flow) ? null : { start, end }, signal);
    // Its failure is thrown below. Starting the hashing thread takes 10 ms, so it overlaps with the request.
    asked.catch(() => {});
    file.startHashing();
    const { body, range } = await asked;
    if (range.start !== start || range.end !== end) {
      log.debug(`${file.item.file.path}: the server ignores ranges, reading it in one stream`);
      // Another connection downloads all of it, or has already done so.
      if (!isWanted(flow)) return void body.cancel().catch(() => {});
      file.ignoresRanges = this.#ignoresRanges = true;
      this.#takeAll(flow);
      file.open();
      file.startHashing();
    }
    signal.throwIfAborted();
    using handle = file.partial.writer(flow.at);
    flow.since = clock.now();
    for await (const chunk of chunks(body, signal)) {
      // Waiting for a share of the bandwidth, or for the disk, does not count as a stall.
      request.moved = null;
      await takeBytes?.(chunk.length, signal);
      const wanted = chunk.subarray(0, Math.max(0, flow.range.end - flow.at));
      // Not left to another thread: handing over each piece costs more than writing it to the page cache.
      for (let n = 0; n < wanted.length;) n += handle.writeSync(wanted.subarray(n));
      request.moved = clock.now();
      if (flow.round !== file.round) return;
      flow.at += wanted.length;
      this.#run.moved += wanted.length;
      this.#run.bytes(file.item.file, wanted.length);
      if (flow.at >= flow.range.end) return;
    }
  }

  /**
   * Lets only this connection download the complete file. What others have downloaded is discarded, since
   * bytes that were hashed must not be written again.
   */
  #takeAll(flow: Flow): void {
    const { file } = flow;
    if (flow.at === 0 && isAll(flow)) return;
    this.#restart(file, flow);
    flow.round = file.round;
    flow.at = 0;
    flow.range = { start: 0, end: file.size };
  }

  #isUntouched(file: LargeFile): boolean {
    return file.done.length === 0 && this.#flowsOf(file).every((flow) => flow.request === null);
  }

  #flowsOf(file: LargeFile): Flow[] {
    return [...this.#flows].filter((flow) => flow.file === file && flow.round === file.round);
  }

  #stolen(file: LargeFile, error: StagingLostError): void {
    file.stolen(error);
    this.#again(file);
  }

  /** Downloads a complete file again, over any connections. */
  #again(file: LargeFile): void {
    this.#restart(file, null);
    this.#enqueue(file, partsOf({ size: file.size, done: [] }, this.#run.budget.partSize));
  }

  #enqueue(file: LargeFile, parts: Iterable<ByteRange>): void {
    const { round } = file;
    this.#run.queue.putBack(Array.from(parts, (part) => () => this.download(file, part, round)));
  }

  /** Discards what has arrived of a file, and ends the requests of all its flows but one. */
  #restart(file: LargeFile, but: Flow | null): void {
    const flows = this.#flowsOf(file);
    const arrived = flows.reduce(
      (ranges, { range: { start }, at }) => addRange(ranges, { start, end: at }),
      file.done,
    );
    this.#run.bytes(file.item.file, -rangeBytes(arrived));
    file.restart();
    for (const flow of flows) if (flow !== but) flow.request?.abort.abort();
  }

  /** Records what has arrived of a part, even if it is unfinished. */
  #record({ file, range: { start }, at }: Flow): void {
    file.partial.wrote({ start, end: at });
  }

  #hash(file: LargeFile): void {
    file.hashTo(reachedBy(file.done, this.#flowsOf(file)));
  }
}

/** False once the file was restarted or is complete. */
function isWanted({ file, round }: Flow): boolean {
  return file.round === round && !file.isProving;
}

/** Whether its connection downloads the complete file. */
function isAll({ file, range: { start, end } }: Flow): boolean {
  return start === 0 && end === file.size;
}

/** How far a file reaches from its first byte without a gap, by its finished and unfinished parts. */
export function reachedBy(
  done: readonly ByteRange[],
  flows: readonly { readonly range: Pick<ByteRange, "start">; readonly at: number }[],
): number {
  let end = prefixEnd(done);
  for (let before = -1; before < end;) {
    before = end;
    for (const { range, at } of flows) if (range.start <= end && at > end) end = at;
    // A finished part may follow a flow.
    for (const range of done) if (range.start <= end && range.end > end) end = range.end;
  }
  return end;
}

/**
 * Maximum hashing threads, of 15 MiB each. One hashes SHA-256 as fast as bytes arrive, or two on a CPU
 * without instructions for it; MD5 and checksums need more.
 */
function hashingThreads(specs: readonly DigestSpec[]): number {
  const cores = navigator.hardwareConcurrency;
  const isSha256 = specs.every(({ algorithm }) => algorithm === "sha256");
  return Math.min(cores, isSha256 ? (cores > 2 ? 2 : 1) : 4);
}
