import { AimError } from "../../errors/aim_error.ts";
import { errorFrom } from "../../errors/from_unknown.ts";
import { log } from "../../log/logger.ts";
import type { ByteRange, ManifestFile } from "../../sources/manifest.ts";
import { type RangeBody, TransientError } from "../../sources/source.ts";
import { AttemptFailed, fatalFrom, integrityError, isFatal, Superseded } from "../attempt_errors.ts";
import { copyBody, isPiped } from "../copy_body.ts";
import type { DigestSpec } from "../hash/digests.ts";
import { divisionOf } from "./division.ts";
import { type Flow, type LargeFile, type PartOwner, positionOf, reachedBy } from "./large_file.ts";
import { hashPool } from "../hash/hash_pool.ts";
import { type HostIdentity, hostIdentity } from "../lease/host_identity.ts";
import { nonce } from "../nonce.ts";
import { bindingOf } from "./part_record.ts";
import { PartialFile, StagingLostError } from "./partial_file.ts";
import { partsOf } from "../planner.ts";
import { prefixEnd, rangeBytes } from "../ranges.ts";
import type { TransferRun } from "../transfer_run.ts";
import type { ComputedDigests, TransferItem } from "../types.ts";

/** Milliseconds a chunk: next to nothing where a network is the limit. */
const AHEAD_PAUSE = 4;

/** Brings files in parts, each over a connection of its own, hashes them while they grow, and publishes what is proven. */
export class LargeFiles {
  readonly #run: TransferRun;
  readonly #requeue: (file: LargeFile, parts: readonly ByteRange[]) => void;
  readonly #pool = hashPool();
  readonly #self: HostIdentity = hostIdentity();
  readonly #flows = new Set<Flow>();
  readonly #open = new Set<LargeFile>();

  /** @param requeue Puts parts before all others: the file was begun anew. */
  constructor(run: TransferRun, requeue: (file: LargeFile, parts: readonly ByteRange[]) => void) {
    this.#run = run;
    this.#requeue = requeue;
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
      this.#self,
      names,
    );
    const file: LargeFile = {
      ...{ kind: "large", item, specs, partial, hash: null, rejected: 0, stolen: 0, round: 0 },
      ...{ streamer: null, careful: false, finishing: false, active: false },
    };
    return { file, settled };
  }

  /**
   * Brings a part, in as many attempts as it takes, and the file's proof if it is the last. What is wrong in the end ends the transfer.
   *
   * @param round The file's, for which the part was planned.
   */
  async bring(file: LargeFile, part: ByteRange, round: number): Promise<void> {
    try {
      await this.#bring(file, part, round);
    } catch (error) {
      this.#run.fail(file.item.file, error);
    }
  }

  async #bring(file: LargeFile, part: ByteRange, round: number): Promise<void> {
    const owner: PartOwner = {};
    // Another connection found that the server sends whole files, or the file was begun anew: this part is no longer wanted.
    const unwanted = () => file.round !== round || (file.streamer !== null && file.streamer !== owner);
    let range = part;
    for (let failures = 0; range.start < range.end;) {
      if (unwanted()) return;
      try {
        this.#local(file, () => this.#activate(file));
        range = await this.#attempt(file, range, owner);
      } catch (failure) {
        if (unwanted()) return;
        if (failure instanceof StagingLostError) return this.#stolen(file, failure);
        if (!(failure instanceof AttemptFailed)) throw failure;
        range = failure.rest;
        failures = failure.moved ? 1 : failures + 1;
        await this.#run.pause(file.item.file, failures, failure.cause);
      }
    }
    if (!unwanted() && file.partial.whole && !file.finishing) this.finish(file);
  }

  /** Proves and publishes a file beside the transfer; the connection goes on. */
  finish(file: LargeFile): void {
    file.finishing = true;
    this.#run.track(this.#proveAndPublish(file), file.item.file);
  }

  /** Looks how far the connections have come, ends those that have stalled, and lets what has come be hashed. */
  look(): void {
    const now = this.#run.clock.now();
    for (const flow of this.#flows) this.#look(flow, now);
    for (const file of new Set(this.#flows.values().map((flow) => flow.file))) {
      file.hash?.advance(this.#reached(file));
    }
  }

  /** Takes the rest of a part from a slow connection, for one that has nothing to do; `null` where all will be there soon. */
  divide(): { readonly file: LargeFile; readonly range: ByteRange } | null {
    const now = this.#run.clock.now();
    const flows = [...this.#flows].filter((flow) => flow.divisible !== null && !flow.dead);
    const division = divisionOf(flows.map((flow) => ({
      ...flow.range,
      at: positionOf(flow),
      elapsed: now - (flow.divisible ?? now),
    })));
    const flow = division === null ? undefined : flows[division.part];
    if (division === null || flow === undefined) return null;
    const range = { start: division.at, end: flow.range.end };
    flow.range.end = division.at;
    return { file: flow.file, range };
  }

  /** Stops bringing files that another process has taken over. */
  checkOwned(): void {
    for (const file of this.#open) {
      try {
        file.partial.checkOwned();
      } catch (error) {
        for (const flow of this.#flows) if (flow.file === file) flow.abort.abort(error);
      }
    }
  }

  /** Records what has come of all files, parts under way as well, and brings it to disk. */
  flush(): void {
    for (const file of this.#open) this.#flush(file);
  }

  /** Stops hashing, and brings to disk what was recorded. */
  async stop(): Promise<void> {
    this.#pool.close();
    await Promise.all([...this.#open].map((file) => file.partial.flush().catch(() => {})));
  }

  /** Closes the files: what was brought stays for a later run. */
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
    this.#open.add(file);
    if (!file.active) this.#run.state(file.item.file, "active");
    file.active = true;
  }

  /** Lets what is there be hashed. */
  #hash(file: LargeFile): void {
    if (file.hash === null && file.specs.length > 0) {
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
    const abort = new AbortController();
    const onStop = () => abort.abort(this.#run.stop.signal.reason);
    this.#run.stop.signal.addEventListener("abort", onStop, { once: true });
    const flow: Flow = {
      ...{ file, owner, abort, range: { ...range }, at: range.start, divisible: null },
      ...{ handle: null, moved: this.#run.clock.now(), held: false, dead: false },
    };
    this.#flows.add(flow);
    let failure: unknown = null;
    try {
      if (this.#run.stop.signal.aborted) throw this.#run.stop.signal.reason;
      const all = range.start === 0 && range.end === file.item.file.size;
      const asked = this.#run.source.read(file.item.file, all ? null : range, abort.signal);
      // What it fails by is seen below, if the thread starts; that takes 10 ms, in which the answer is on its way.
      asked.catch(() => {});
      this.#hash(file);
      const body = await asked;
      if (body.range.start !== range.start || body.range.end !== range.end) {
        this.#widen(flow, body, range);
      }
      abort.signal.throwIfAborted();
      flow.handle = file.partial.writer(flow.range.start);
      const copy = { range: flow.range, pipe: !file.careful && this.#run.bucket === null };
      const alone = file.streamer !== null || this.#run.bucket !== null;
      if (!alone && !isPiped(body, copy)) flow.divisible = this.#run.clock.now();
      await copyBody(body, {
        ...copy,
        file: flow.handle,
        chunk: this.#run.chunk,
        signal: abort.signal,
        onChunk: (bytes, skipped) => this.#received(flow, bytes, skipped),
        onWritten: (elapsed) => void (this.#run.writing += elapsed),
      });
    } catch (error) {
      failure = abort.signal.aborted ? abort.signal.reason : error;
    }
    this.#run.stop.signal.removeEventListener("abort", onStop);
    // Whatever failed, the server need not send more.
    if (failure !== null) abort.abort(failure);
    const at = await this.#settleFlow(flow);
    const { start, end } = flow.range;
    if (at === end && !flow.dead) return { start: at, end: at };
    if (failure === null) file.careful = true;
    failure ??= new TransientError(`the body ended after ${at - start} of ${end - start} bytes`);
    if (isFatal(failure)) throw fatalFrom(failure, `writing ${file.partial.path}`);
    throw new AttemptFailed({ start: at, end }, at > start, failure);
  }

  /**
   * A chunk that was read here: what is skipped of it is known already. Waits for its share of the bandwidth, and a moment where it is
   * far ahead of a gap: one connection that outruns the others would leave hashing, which goes in order, without work.
   */
  async #received(flow: Flow, bytes: number, skipped: number): Promise<void> {
    this.#run.moved += skipped;
    flow.held = true;
    await this.#run.bucket?.take(bytes, flow.abort.signal);
    if (this.#isFarAhead(flow)) await this.#run.clock.sleep(AHEAD_PAUSE, flow.abort.signal);
    flow.held = false;
    flow.moved = this.#run.clock.now();
  }

  /** By more than all connections have under way where they keep pace. */
  #isFarAhead({ file, at }: Flow): boolean {
    const { partSize } = this.#run.budget;
    return file.hash !== null && at > this.#reached(file) + this.#flows.size * partSize;
  }

  /** Closes a flow's handle and records what it brought. Resolves to the file offset it came to. */
  async #settleFlow(flow: Flow): Promise<number> {
    const { handle, file, range } = flow;
    let at = range.start;
    if (handle !== null) {
      // Waits for a write under way, so that none lands after this; meanwhile the range's end may have come nearer.
      at = await handle.seek(0, Deno.SeekMode.Current);
      at = Math.min(range.end, at);
      handle.close();
    }
    this.#flows.delete(flow);
    if (flow.dead || handle === null) return at;
    this.#count(flow, at);
    this.#local(file, () => file.partial.wrote({ start: range.start, end: at }));
    file.hash?.advance(this.#reached(file));
    return at;
  }

  /**
   * The server ignored the range and sends the whole file: this connection alone brings it. What others brought is thrown away,
   * since what was hashed must not be written again.
   */
  #widen(flow: Flow, body: RangeBody, range: ByteRange): void {
    const { file } = flow;
    const { size, path } = file.item.file;
    if (body.range.start > range.start || body.range.end < range.end) {
      void body.body.cancel().catch(() => {});
      throw new TransientError(
        `the server sent bytes ${body.range.start} to ${body.range.end} of ${path}, asked for ${range.start} to ${range.end}`,
      );
    }
    if (file.streamer === flow.owner) return void (flow.range.end = size);
    if (file.streamer !== null) {
      void body.body.cancel().catch(() => {});
      throw new Superseded();
    }
    log.debug(`${path}: the server knows no ranges, reading it in one stream`);
    file.streamer = flow.owner;
    flow.at = 0;
    flow.range = { start: 0, end: size };
    this.#startAnew(file, flow);
    this.#activate(file);
    this.#hash(file);
  }

  #reached(file: LargeFile): number {
    return reachedBy(file, file.partial.done, this.#flows);
  }

  async #proveAndPublish(file: LargeFile): Promise<void> {
    const { item } = file;
    this.#local(file, () => this.#activate(file));
    this.#hash(file);
    this.#run.state(item.file, "verifying");
    file.hash?.advance(item.file.size);
    const digests = await (file.hash?.done ?? {});
    if (!this.#run.matches(item.file, digests)) return this.#rejected(file, digests);
    const target = item.target(digests);
    try {
      await file.partial.publish(target);
    } catch (error) {
      if (error instanceof StagingLostError) return this.#stolen(file, error);
      throw errorFrom(error, `writing ${target}`);
    }
    this.#open.delete(file);
    this.#run.done(item, target, digests);
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
    file.streamer = null;
    file.finishing = false;
    file.round++;
    this.#requeue(file, partsOf({ size: file.item.file.size, done: [] }, this.#run.budget.partSize));
  }

  /** Throws away what came of a file, and every connection that brings it but one. */
  #startAnew(file: LargeFile, but: Flow | null): void {
    for (const flow of this.#flows) {
      if (flow.file !== file || flow === but || flow.dead) continue;
      this.#count(flow, flow.range.start);
      flow.dead = true;
      flow.abort.abort(new Superseded());
    }
    this.#run.bytes(file.item.file, -rangeBytes(file.partial.done));
    file.hash?.cancel();
    file.hash = null;
    file.partial.discard();
    file.partial = PartialFile.fresh(file.item.staging, nonce(), this.#binding(file.item.file), this.#self);
  }

  #look(flow: Flow, now: number): void {
    if (flow.dead) return;
    const at = positionOf(flow);
    if (at > flow.at) {
      this.#count(flow, at);
      flow.moved = now;
    } else if (!flow.held && this.#run.isStalled(flow.moved)) {
      flow.abort.abort(this.#run.stalled());
    }
  }

  /** Records what has come of the parts under way as well, and brings all to disk. */
  #flush(file: LargeFile): void {
    const { partial } = file;
    try {
      for (const flow of this.#flows) {
        if (flow.file === file && !flow.dead) partial.wrote({ start: flow.range.start, end: flow.at });
      }
      this.#run.track(partial.flush(), file.item.file);
    } catch (error) {
      this.#run.fail(file.item.file, errorFrom(error, `writing ${partial.path}`));
    }
  }

  #count(flow: Flow, at: number): void {
    if (at > flow.at) this.#run.moved += at - flow.at;
    this.#run.bytes(flow.file.item.file, at - flow.at);
    flow.at = at;
  }

  /** Runs what touches this machine's files only. */
  #local(file: LargeFile, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error === this.#run.stop.signal.reason) throw error;
      throw errorFrom(error, `writing ${file.partial.path}`);
    }
  }
}
