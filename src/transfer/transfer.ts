import { dirname } from "@std/path";
import { AimError, errorFrom } from "../errors/mod.ts";
import { log } from "../log/mod.ts";
import type { ByteRange, ManifestFile } from "../sources/manifest.ts";
import { type RangeBody, type Source, TransientError } from "../sources/source.ts";
import { AttemptFailed, fatalFrom, integrityError, isFatal, Superseded } from "./attempt_errors.ts";
import { BACKOFF, backoffDelay } from "./backoff.ts";
import { systemClock } from "./clock.ts";
import { chunks, chunkSize, copyBody } from "./copy_body.ts";
import { digestMatches, type DigestSpec, digestSpecs, digestStream } from "./digests.ts";
import { checkFreeSpace } from "./free_space.ts";
import { type HashJob, type HashPool, hashPool } from "./hash_pool.ts";
import { type HostIdentity, hostIdentity } from "./host_identity.ts";
import { bindingOf } from "./part_record.ts";
import { PartialFile, removePartial, StagingLostError } from "./partial_file.ts";
import { partsOf, type PlanBudget, planOrder, wholeLimit, type WorkUnit } from "./planner.ts";
import { prefixEnd, rangeBytes } from "./ranges.ts";
import { writeSmallFile } from "./write_small_file.ts";
import { leftovers, ownStaging, stemOf } from "./staging_names.ts";
import { type TokenBucket, tokenBucket } from "./token_bucket.ts";
import type {
  Clock,
  ComputedDigests,
  FileState,
  TransferEvent,
  TransferItem,
  TransferOptions,
  TransferredFile,
  TransferResult,
} from "./types.ts";
import { WorkQueue } from "./work_queue.ts";

/** Bytes of small files held in memory, over all connections; and as many for what is being read. */
const MEMORY = 32 * 1024 * 1024;
/** Milliseconds between two looks at the connections: how far behind the wire hashing and progress are. */
const TICK = 25;
/** Milliseconds between two flushes of a file to disk, and two records of parts that are under way. */
const FLUSH_EVERY = 5_000;
/** Milliseconds between two checks that partial files are still ours. */
const OWN_CHECK_EVERY = 1_000;
/** Milliseconds in which a process whose partial file was taken over has noticed. */
const SETTLE = 2_500;
/** Milliseconds that flushing may take when a run is stopped. */
const LAST_FLUSH = 1_000;

/**
 * Brings files from a source to their places: in parts, over one pool of connections, resuming what an earlier run left, each proven
 * by its digest before it gets its final name.
 *
 * Large files are on disk (fsync) before they get that name, and all names when this resolves. Small files are left to the file system's
 * journal: written in one piece and never extended otherwise, one that loss of power caught is shorter than the manifest says.
 *
 * Needs read, write and net permission, and sys permission for `hostname`, `osUptime`, `statfs` and `getPriority`.
 *
 * @throws {AimError} `network` retries exhausted; `integrity` a digest that does not match twice; `no-space`; what the source throws;
 * the signal's reason.
 * @throws {SourceChangedError} a file is no longer what the manifest says: list again.
 */
export async function transfer(
  source: Source,
  items: readonly TransferItem[],
  options: TransferOptions,
): Promise<TransferResult> {
  return await new Transfer(source, items, options).run();
}

/** A connection that is bringing bytes of a file. */
interface Flow {
  readonly file: FileTransfer;
  readonly owner: PartOwner;
  readonly abort: AbortController;
  /** Of the file: where it began. */
  start: number;
  /** Of the file; `null` until data flows. */
  handle: Deno.FsFile | null;
  /** Up to where bytes were counted. */
  at: number;
  /** When the last byte came. */
  moved: number;
  /** Waits for its share of the bandwidth, which is no stall. */
  held: boolean;
  /** Its bytes are no longer wanted: neither counted nor recorded. */
  dead: boolean;
}

/** Stands for one part's bringing, over all its attempts. */
type PartOwner = Readonly<Record<never, never>>;

/** A large file under way. */
interface FileTransfer {
  readonly kind: "large";
  readonly item: TransferItem;
  readonly specs: readonly DigestSpec[];
  partial: PartialFile;
  hash: HashJob | null;
  /** Times that it was begun from nothing because its digest was wrong. */
  rejected: number;
  /** Times that another process took the partial file. */
  stolen: number;
  /** Counts how often it was begun anew; a part of an earlier round is no longer wanted. */
  round: number;
  /** The server sends whole files only; this part brings all of it. */
  streamer: PartOwner | null;
  /** A piped body ended early and without an error: from then on bodies are read here, and counted. */
  careful: boolean;
  finishing: boolean;
  active: boolean;
}

/** A file that is held in memory. */
interface SmallTransfer {
  readonly kind: "small";
  readonly item: TransferItem;
  readonly specs: readonly DigestSpec[];
}

/** A unit of the plan, and the file's round that it is for. */
type Assignment = WorkUnit & { readonly round: number };

class Transfer {
  readonly #source: Source;
  readonly #asked: readonly TransferItem[];
  readonly #items: readonly TransferItem[];
  readonly #options: TransferOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #budget: PlanBudget;
  readonly #chunk: number;
  readonly #bucket: TokenBucket | null;
  readonly #pool: HashPool = hashPool();
  readonly #self: HostIdentity = hostIdentity();
  readonly #flows = new Set<Flow>();
  readonly #watchers = new Watchers();
  /** Memory for small files that no connection uses at present. */
  readonly #spare: Uint8Array[] = [];
  readonly #open = new Set<FileTransfer>();
  readonly #finishing = new Set<Promise<void>>();
  readonly #results = new Map<string, TransferredFile>();
  /** Aborted by the caller's signal, by the first failure, and at the end. */
  readonly #stop = new AbortController();
  #queue: WorkQueue<Assignment> = new WorkQueue<Assignment>([]);
  #files: readonly (FileTransfer | SmallTransfer)[] = [];
  #unfinished = 0;
  #moved = 0;
  #present = 0;

  constructor(source: Source, items: readonly TransferItem[], options: TransferOptions) {
    this.#source = source;
    this.#asked = items;
    // Two paths of one content share a staging file: it is brought once.
    this.#items = [...new Map(items.toReversed().map((item) => [item.staging, item])).values()].toReversed();
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#budget = { jobs: options.jobs, partSize: options.partSize, memory: MEMORY };
    this.#chunk = chunkSize(MEMORY, options.jobs);
    this.#bucket = options.maxBandwidth === null ? null : tokenBucket(options.maxBandwidth, this.#clock);
  }

  async run(): Promise<TransferResult> {
    const started = this.#clock.now();
    const { signal } = this.#options;
    signal.throwIfAborted();
    const onAbort = () => this.#stop.abort(signal.reason);
    this.#stop.signal.addEventListener("abort", () => this.#queue.close(), { once: true });
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#prepare();
      await this.#bring();
    } finally {
      signal.removeEventListener("abort", onAbort);
      await this.#shutDown();
    }
    const elapsed = this.#clock.now() - started;
    this.#emit({ type: "end", bytesMoved: this.#moved, bytesPresent: this.#present, elapsed });
    return { files: this.#collect(), bytesMoved: this.#moved, bytesPresent: this.#present, elapsed };
  }

  /** Finds what earlier runs left, checks the space, makes directories. */
  async #prepare(): Promise<void> {
    const limit = wholeLimit(this.#budget);
    const directories = new Map<string, Map<string, string[]>>();
    const bytes = this.#items.reduce((sum, { file }) => sum + file.size, 0);
    const first = this.#items[0];
    let unsettled = false;
    try {
      for (const directory of new Set(this.#items.map((item) => dirname(item.staging)))) {
        directories.set(directory, leftovers(namesIn(directory)));
      }
      this.#files = this.#items.map((item) => {
        const names = directories.get(dirname(item.staging))?.get(stemOf(item.staging)) ?? [];
        const specs = digestSpecs(this.#options.verify ? item.file.digest : null, item.compute);
        if (item.file.size <= limit) {
          for (const name of names) removePartial(`${dirname(item.staging)}/${name}`);
          return { kind: "small", item, specs };
        }
        const adopted = PartialFile.adopt(item.staging, nonce(), this.#binding(item.file), this.#self, names);
        unsettled ||= !adopted.settled;
        return this.#large(item, specs, adopted.partial);
      });
      this.#present = this.#files.reduce(
        (sum, f) => sum + (f.kind === "large" ? rangeBytes(f.partial.done) : 0),
        0,
      );
      if (first !== undefined) {
        await checkFreeSpace({ directory: dirname(first.staging), bytes: bytes - this.#present });
      }
      for (const directory of directories.keys()) Deno.mkdirSync(directory, { recursive: true });
    } catch (error) {
      throw errorFrom(error, `preparing ${first === undefined ? "" : dirname(first.staging)}`);
    }
    this.#emit({ type: "start", files: this.#items.length, bytes, bytesPresent: this.#present });
    // A process that still writes to what was taken over notices within this time, and stops.
    if (unsettled) await this.#clock.sleep(SETTLE, this.#stop.signal);
  }

  async #bring(): Promise<void> {
    const planned = this.#files.map((f) => ({
      size: f.item.file.size,
      done: f.kind === "large" ? f.partial.done : [],
    }));
    this.#unfinished = this.#files.length;
    this.#queue = new WorkQueue(planOrder(planned, this.#budget).map((unit) => ({ ...unit, round: 0 })));
    if (this.#unfinished === 0) this.#queue.close();
    const ticker = this.#tick();
    for (const file of this.#files) {
      if (file.kind === "large" && file.partial.whole) this.#finish(file);
    }
    await Promise.all(Array.from({ length: this.#options.jobs }, () => this.#work()));
    await Promise.all(this.#finishing);
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    this.#stop.abort();
    await ticker;
    await syncDirectories(this.#results.values().map((result) => dirname(result.target)));
  }

  /** One connection's life. */
  async #work(): Promise<void> {
    for (let unit = await this.#queue.take(); unit !== null; unit = await this.#queue.take()) {
      const file = this.#files[unit.file];
      if (file === undefined) continue;
      try {
        if (file.kind === "small") await this.#bringSmall(file);
        else if (unit.kind === "part") await this.#bringPart(file, unit.range, unit.round);
      } catch (error) {
        this.#fail(file.item.file, error);
        return;
      }
    }
  }

  /** The first failure ends the transfer. */
  #fail(file: ManifestFile, error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#state(file, "failed");
    this.#stop.abort(error);
  }

  // Large files

  #large(item: TransferItem, specs: readonly DigestSpec[], partial: PartialFile): FileTransfer {
    return {
      ...{ kind: "large", item, specs, partial, hash: null },
      ...{
        rejected: 0,
        stolen: 0,
        round: 0,
        streamer: null,
        careful: false,
        finishing: false,
        active: false,
      },
    };
  }

  #binding(file: ManifestFile) {
    return bindingOf(this.#options.revision, file);
  }

  /** Opens what is needed to write and to hash. */
  #activate(file: FileTransfer): void {
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    file.partial.open();
    this.#open.add(file);
    if (file.hash === null && file.specs.length > 0) {
      file.hash = this.#pool.open(file.partial.path, file.item.file.size, file.specs);
      file.hash.advance(prefixEnd(file.partial.done));
    }
    if (!file.active) this.#state(file.item.file, "active");
    file.active = true;
  }

  async #bringPart(file: FileTransfer, part: ByteRange, round: number): Promise<void> {
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
        await this.#pause(file.item.file, failures, failure.cause);
      }
    }
    if (!unwanted() && file.partial.whole && !file.finishing) this.#finish(file);
  }

  /**
   * One request for a range. Resolves to the empty rest.
   *
   * @throws {AttemptFailed} worth another attempt, with the rest.
   */
  async #attempt(file: FileTransfer, range: ByteRange, owner: PartOwner): Promise<ByteRange> {
    const abort = new AbortController();
    const onStop = () => abort.abort(this.#stop.signal.reason);
    this.#stop.signal.addEventListener("abort", onStop, { once: true });
    const flow: Flow = {
      ...{ file, owner, abort, start: range.start, at: range.start },
      ...{ handle: null, moved: this.#clock.now(), held: false, dead: false },
    };
    this.#flows.add(flow);
    let wanted = range;
    let failure: unknown = null;
    try {
      if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
      const all = range.start === 0 && range.end === file.item.file.size;
      const body = await this.#source.read(file.item.file, all ? null : range, abort.signal);
      if (body.range.start !== range.start || body.range.end !== range.end) {
        wanted = this.#widen(flow, body, range);
      }
      abort.signal.throwIfAborted();
      flow.handle = file.partial.writer(wanted.start);
      await copyBody(body, {
        range: wanted,
        file: flow.handle,
        chunk: this.#chunk,
        signal: abort.signal,
        pipe: !file.careful && this.#bucket === null,
        onChunk: (bytes, skipped) => this.#received(flow, bytes, skipped),
      });
    } catch (error) {
      failure = abort.signal.aborted ? abort.signal.reason : error;
    }
    this.#stop.signal.removeEventListener("abort", onStop);
    // Whatever failed, the server need not send more.
    if (failure !== null) abort.abort(failure);
    const at = await this.#settleFlow(flow, wanted);
    if (at === wanted.end && !flow.dead) return { start: at, end: at };
    if (failure === null) file.careful = true;
    failure ??= new TransientError(
      `the body ended after ${at - wanted.start} of ${wanted.end - wanted.start} bytes`,
    );
    if (isFatal(failure)) throw fatalFrom(failure, `writing ${file.partial.path}`);
    throw new AttemptFailed({ start: at, end: wanted.end }, at > wanted.start, failure);
  }

  /** A chunk that was read here: what is skipped of it is known already. Waits for its share of the bandwidth. */
  async #received(flow: Flow, bytes: number, skipped: number): Promise<void> {
    this.#moved += skipped;
    flow.held = true;
    await this.#bucket?.take(bytes, flow.abort.signal);
    flow.held = false;
    flow.moved = this.#clock.now();
  }

  /** Closes a flow's handle and records what it brought. Resolves to the file offset it came to. */
  async #settleFlow(flow: Flow, wanted: ByteRange): Promise<number> {
    const { handle, file } = flow;
    let at = wanted.start;
    if (handle !== null) {
      // Waits for a write under way, so that none lands after this.
      at = Math.min(wanted.end, await handle.seek(0, Deno.SeekMode.Current));
      handle.close();
    }
    this.#flows.delete(flow);
    if (flow.dead || handle === null) return at;
    this.#count(flow, at);
    this.#local(file, () => file.partial.wrote({ start: wanted.start, end: at }));
    file.hash?.advance(this.#reached(file));
    return at;
  }

  /**
   * The server ignored the range and sends the whole file: this connection alone brings it. What others brought is thrown away,
   * since what was hashed must not be written again.
   */
  #widen(flow: Flow, body: RangeBody, range: ByteRange): ByteRange {
    const { file } = flow;
    const { size, path } = file.item.file;
    if (body.range.start > range.start || body.range.end < range.end) {
      void body.body.cancel().catch(() => {});
      throw new TransientError(
        `the server sent bytes ${body.range.start} to ${body.range.end} of ${path}, asked for ${range.start} to ${range.end}`,
      );
    }
    if (file.streamer === flow.owner) return { start: range.start, end: size };
    if (file.streamer !== null) {
      void body.body.cancel().catch(() => {});
      throw new Superseded();
    }
    log.debug(`${path}: the server knows no ranges, reading it in one stream`);
    file.streamer = flow.owner;
    flow.at = flow.start = 0;
    this.#startAnew(file, flow);
    this.#activate(file);
    return { start: 0, end: size };
  }

  /** How far a file reaches without a gap, with what flows. */
  #reached(file: FileTransfer): number {
    let end = prefixEnd(file.partial.done);
    for (let grown = true; grown;) {
      grown = false;
      for (const flow of this.#flows) {
        if (flow.file === file && !flow.dead && flow.start <= end && flow.at > end) {
          end = flow.at;
          grown = true;
        }
      }
      // Beyond a flow's end there may be a part that is done.
      const touching = file.partial.done.find((r) => r.start <= end && r.end > end);
      if (touching !== undefined) {
        end = touching.end;
        grown = true;
      }
    }
    return end;
  }

  /** Proves and publishes a file beside the transfer; the connection goes on. */
  #finish(file: FileTransfer): void {
    file.finishing = true;
    this.#track(this.#proveAndPublish(file), file.item.file);
  }

  async #proveAndPublish(file: FileTransfer): Promise<void> {
    const { item } = file;
    this.#local(file, () => this.#activate(file));
    this.#state(item.file, "verifying");
    file.hash?.advance(item.file.size);
    const digests = await (file.hash?.done ?? {});
    if (!this.#matches(item.file, digests)) return this.#rejected(file, digests);
    const target = item.target(digests);
    try {
      await file.partial.publish(target);
    } catch (error) {
      if (error instanceof StagingLostError) return this.#stolen(file, error);
      throw errorFrom(error, `writing ${target}`);
    }
    this.#open.delete(file);
    this.#done(item, target, digests);
  }

  /** A wrong digest: once more from nothing, then the end. */
  #rejected(file: FileTransfer, digests: ComputedDigests): void {
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
  #stolen(file: FileTransfer, error: StagingLostError): void {
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
  #again(file: FileTransfer): void {
    this.#startAnew(file, null);
    file.streamer = null;
    file.finishing = false;
    file.round++;
    const { round } = file;
    const index = this.#files.indexOf(file);
    const parts = partsOf({ size: file.item.file.size, done: [] }, this.#budget.partSize);
    this.#queue.putBack(parts.map((range) => ({ kind: "part", file: index, range, round })));
  }

  /** Throws away what came of a file, and every connection that brings it but one. */
  #startAnew(file: FileTransfer, but: Flow | null): void {
    for (const flow of this.#flows) {
      if (flow.file !== file || flow === but || flow.dead) continue;
      this.#count(flow, flow.start);
      flow.dead = true;
      flow.abort.abort(new Superseded());
    }
    this.#bytes(file.item.file, -rangeBytes(file.partial.done));
    file.hash?.cancel();
    file.hash = null;
    file.partial.discard();
    file.partial = PartialFile.fresh(file.item.staging, nonce(), this.#binding(file.item.file), this.#self);
  }

  // Small files

  async #bringSmall(file: SmallTransfer): Promise<void> {
    const { item } = file;
    this.#state(item.file, "active");
    const memory = this.#spare.pop() ?? new Uint8Array(wholeLimit(this.#budget));
    const bytes = memory.subarray(0, item.file.size);
    for (let rejected = 0;; rejected++) {
      if (bytes.length > 0) await this.#fetchWhole(item.file, bytes);
      const stream = digestStream(file.specs, item.file.size);
      stream.update(bytes);
      const digests = stream.digests();
      if (this.#matches(item.file, digests)) {
        this.#publishSmall(file, bytes, digests);
        this.#spare.push(memory);
        return;
      }
      this.#bytes(item.file, -bytes.length);
      if (rejected > 0) throw integrityError(item.file, digests);
      log.warn(`${item.file.path} does not match its digest, fetching it again`);
    }
  }

  #publishSmall({ item }: SmallTransfer, bytes: Uint8Array, digests: ComputedDigests): void {
    const target = item.target(digests);
    for (let lost = 0;; lost++) {
      try {
        writeSmallFile(ownStaging(item.staging, nonce()), target, bytes);
        return this.#done(item, target, digests);
      } catch (error) {
        // Another process, the lease defeated, took it for a leftover.
        if (!(error instanceof StagingLostError) || lost > 3) throw errorFrom(error, `writing ${target}`);
      }
    }
  }

  /** Fills `bytes`, which are as many as the file has. */
  async #fetchWhole(file: ManifestFile, bytes: Uint8Array): Promise<void> {
    for (let failures = 1;; failures++) {
      const abort = new AbortController();
      const onStop = () => abort.abort(this.#stop.signal.reason);
      this.#stop.signal.addEventListener("abort", onStop, { once: true });
      // Nothing of a small file is kept: it is brought within the stall's time or tried again, but never while bytes come.
      let moved: number | null = this.#clock.now();
      const watch = this.#watchers.add(() => {
        const silent = moved === null ? 0 : this.#clock.now() - moved;
        if (silent > this.#options.stallTimeout) abort.abort(this.#stalled());
      });
      let at = 0;
      let failure: unknown;
      try {
        if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
        const body = await this.#source.read(file, null, abort.signal);
        for await (const chunk of chunks(body.body, this.#chunk, abort.signal)) {
          this.#moved += chunk.length;
          if (at + chunk.length > file.size) throw new TransientError(`more than ${file.size} bytes came`);
          // Waiting for a share of the bandwidth is no stall.
          moved = null;
          await this.#bucket?.take(chunk.length, abort.signal);
          moved = this.#clock.now();
          bytes.set(chunk, at);
          at += chunk.length;
        }
        if (at < file.size) throw new TransientError(`the body ended after ${at} of ${file.size} bytes`);
        this.#emit({ type: "bytes", path: file.path, bytes: at });
        return;
      } catch (error) {
        failure = abort.signal.aborted ? abort.signal.reason : error;
      } finally {
        this.#watchers.delete(watch);
        this.#stop.signal.removeEventListener("abort", onStop);
      }
      if (isFatal(failure)) throw fatalFrom(failure, `reading ${file.path}`);
      await this.#pause(file, failures, failure);
    }
  }

  // Common

  #matches(file: ManifestFile, digests: ComputedDigests): boolean {
    return !this.#options.verify || file.digest === null || digestMatches(file.digest, digests);
  }

  #done(item: TransferItem, target: string, digests: ComputedDigests): void {
    const proof = this.#options.verify && item.file.digest !== null ? "digest" : "size";
    this.#results.set(item.staging, { file: item.file, target, digests, proof });
    this.#state(item.file, "done");
    if (--this.#unfinished === 0) this.#queue.close();
  }

  /** Work beside the connections, whose failure ends the transfer. */
  #track(work: Promise<void>, file: ManifestFile): void {
    const tracked = work.catch((error) => this.#fail(file, error)).finally(() =>
      this.#finishing.delete(tracked)
    );
    this.#finishing.add(tracked);
  }

  /** Runs what touches this machine's files only. */
  #local(file: FileTransfer, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error === this.#stop.signal.reason) throw error;
      throw errorFrom(error, `writing ${file.partial.path}`);
    }
  }

  /** Waits before another attempt, or gives up. */
  async #pause(file: ManifestFile, failures: number, cause: unknown): Promise<void> {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (failures >= BACKOFF.attempts) {
      throw new AimError(
        "network",
        `${file.path} from ${this.#source.uri}: ${reason}, ${failures} attempts in a row`,
        {
          hint: "run again when the network or the server is well: what is already there is kept",
          cause,
        },
      );
    }
    const retryAfter = cause instanceof TransientError ? cause.retryAfter : null;
    const delay = backoffDelay(failures, retryAfter, this.#random());
    this.#emit({ type: "retry", path: file.path, attempt: failures + 1, delay, reason });
    log.debug(`trying ${file.path} again in ${Math.round(delay)} ms: ${reason}`);
    await this.#clock.sleep(delay, this.#stop.signal);
  }

  #stalled(): TransientError {
    return new TransientError(`no byte came for ${this.#options.stallTimeout / 1000} s`);
  }

  /** Looks at the connections from time to time, until the end. */
  async #tick(): Promise<void> {
    let flushed = this.#clock.now();
    let checked = flushed;
    try {
      for (;;) {
        await this.#clock.sleep(TICK, this.#stop.signal);
        const now = this.#clock.now();
        this.#watchers.look();
        for (const flow of this.#flows) this.#look(flow, now);
        for (const file of new Set(this.#flows.values().map((flow) => flow.file))) {
          file.hash?.advance(this.#reached(file));
        }
        if (now - checked > OWN_CHECK_EVERY) {
          checked = now;
          this.#checkOwned();
        }
        if (now - flushed > FLUSH_EVERY) {
          flushed = now;
          for (const file of this.#open) this.#flush(file);
        }
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#stop.abort(error);
    }
  }

  #look(flow: Flow, now: number): void {
    if (flow.dead) return;
    const at = positionOf(flow);
    if (at > flow.at) {
      this.#count(flow, at);
      flow.moved = now;
    } else if (!flow.held && now - flow.moved > this.#options.stallTimeout) {
      flow.abort.abort(this.#stalled());
    }
  }

  #checkOwned(): void {
    for (const file of this.#open) {
      try {
        file.partial.checkOwned();
      } catch (error) {
        for (const flow of this.#flows) if (flow.file === file) flow.abort.abort(error);
      }
    }
  }

  /** Records what has come of the parts under way as well, and brings all to disk. */
  #flush(file: FileTransfer): void {
    const { partial } = file;
    try {
      for (const flow of this.#flows) {
        if (flow.file === file && !flow.dead) partial.wrote({ start: flow.start, end: flow.at });
      }
      this.#track(partial.flush(), file.item.file);
    } catch (error) {
      this.#fail(file.item.file, errorFrom(error, `writing ${partial.path}`));
    }
  }

  #count(flow: Flow, at: number): void {
    if (at > flow.at) this.#moved += at - flow.at;
    this.#bytes(flow.file.item.file, at - flow.at);
    flow.at = at;
  }

  #bytes(file: ManifestFile, bytes: number): void {
    if (bytes !== 0) this.#emit({ type: "bytes", path: file.path, bytes });
  }

  #state(file: ManifestFile, state: FileState): void {
    this.#emit({ type: "file", path: file.path, state, size: file.size });
  }

  #emit(event: TransferEvent): void {
    this.#options.onEvent?.(event);
  }

  /** Whatever happened: nothing runs on, and what was brought is recorded. */
  async #shutDown(): Promise<void> {
    this.#stop.abort();
    this.#pool.close();
    const ending = [
      ...[...this.#open].map((file) => file.partial.flush().catch(() => {})),
      Promise.all(this.#finishing),
    ];
    const timeout = new AbortController();
    await Promise.race([Promise.all(ending), systemClock.sleep(LAST_FLUSH, timeout.signal).catch(() => {})]);
    timeout.abort();
    for (const file of this.#open) file.partial.close();
  }

  /** One result an item asked for, in their order. */
  #collect(): TransferredFile[] {
    return this.#asked.flatMap((item) => {
      const result = this.#results.get(item.staging);
      return result === undefined ? [] : [{ ...result, file: item.file }];
    });
  }
}

/** Up to where a connection has written; as last known while a write is under way. */
function positionOf(flow: Flow): number {
  try {
    return flow.handle?.seekSync(0, Deno.SeekMode.Current) ?? flow.at;
  } catch {
    return flow.at;
  }
}

/** Functions that are called at every tick. */
class Watchers {
  readonly #all = new Set<() => void>();
  add(watch: () => void): () => void {
    this.#all.add(watch);
    return watch;
  }
  delete(watch: () => void): void {
    this.#all.delete(watch);
  }
  look(): void {
    for (const watch of this.#all) watch();
  }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function nonce(): string {
  return crypto.randomUUID().slice(0, 8);
}

/** Makes renames survive loss of power. */
async function syncDirectories(directories: Iterable<string>): Promise<void> {
  for (const directory of new Set(directories)) {
    using handle = await Deno.open(directory);
    // Some network file systems know no fsync of directories.
    await handle.sync().catch(() => {});
  }
}
