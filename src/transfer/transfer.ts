import { dirname } from "@std/path";
import { errorFrom } from "../errors/from_unknown.ts";
import { makeDirectories } from "../os/files_below.ts";
import type { Source } from "../sources/source.ts";
import { systemClock } from "./clock.ts";
import { connectionsHelp } from "./large/connections_help.ts";
import { digestSpecs } from "./hash/digests.ts";
import { checkFreeSpace } from "./free_space.ts";
import type { LargeFile } from "./large/large_file.ts";
import { LargeFiles } from "./large/large_files.ts";
import { removePartial } from "./large/partial_file.ts";
import { planOrder, wholeLimit } from "./planner.ts";
import { rangeBytes } from "./ranges.ts";
import { type SmallFile, SmallFiles } from "./small/small_files.ts";
import { leftovers, stemOf } from "./staging_names.ts";
import { TransferRun } from "./transfer_run.ts";
import type { TransferItem, TransferOptions, TransferredFile, TransferResult } from "./types.ts";
import type { Task } from "./work_queue.ts";

/** Milliseconds between two checks of the connections: how far hashing may lag behind the network. */
const TICK = 10;
/** Milliseconds by which such a check may be late: if it is later, this process was held up, not a server. */
const HELD_UP = 1_000;
/** Milliseconds between two checks whether twice as many connections would help. */
const RAMP_EVERY = 50;
/** Milliseconds between two flushes of partial files to disk. */
const FLUSH_EVERY = 1_000;
/** Milliseconds between two checks that partial files are still ours, and two records of what has arrived. */
const CHECK_EVERY = 250;
/** Milliseconds within which a process notices that its partial file was taken over. */
const SETTLE = 2_500;
/** Milliseconds that flushing may take when a run is stopped. */
const LAST_FLUSH = 1_000;

/**
 * Downloads files from a source to their places: in parts, over one pool of connections, resuming what an
 * earlier run left. A file is proven by its digest and on disk (fsync) before it gets its final name. The
 * directories are not flushed here: publishing the model does that.
 *
 * Needs read, write, net, and sys permission for `hostname`, `osUptime`, `statfs` and `getPriority`.
 *
 * @throws {AimError} `network` retries exhausted; `integrity` a digest that does not match twice; `no-space`;
 *   what the source throws; the signal's reason.
 * @throws {SourceChangedError} a file has changed since the manifest: list again.
 */
export async function transfer(
  source: Source,
  items: readonly TransferItem[],
  options: TransferOptions,
): Promise<TransferResult> {
  return await new Transfer(source, items, options).run();
}

class Transfer {
  readonly #run: TransferRun;
  readonly #asked: readonly TransferItem[];
  readonly #items: readonly TransferItem[];
  readonly #small: SmallFiles;
  readonly #large: LargeFiles;
  #files: readonly (LargeFile | SmallFile)[] = [];
  #present = 0;
  /** Bytes that had arrived at the last check whether more connections would help. */
  #ramped = 0;
  readonly #workers: Promise<void>[] = [];

  constructor(source: Source, items: readonly TransferItem[], options: TransferOptions) {
    this.#asked = items;
    // Two paths with the same content share a staging file: it is downloaded once.
    this.#items = [...new Map(items.toReversed().map((item) => [item.staging, item])).values()].toReversed();
    this.#run = new TransferRun(source, options, this.#items.map(({ file }) => file.size));
    this.#small = new SmallFiles(this.#run);
    this.#large = new LargeFiles(this.#run);
  }

  async run(): Promise<TransferResult> {
    const { clock, options: { signal }, stop } = this.#run;
    const started = clock.now();
    signal.throwIfAborted();
    signal.addEventListener("abort", () => stop.abort(signal.reason), { once: true, signal: stop.signal });
    try {
      await this.#prepare();
      await this.#download();
    } finally {
      await this.#shutDown();
    }
    const result = {
      bytesMoved: this.#run.moved,
      bytesPresent: this.#present,
      elapsed: clock.now() - started,
    };
    this.#run.emit({ type: "end", ...result });
    return { files: this.#collect(), ...result };
  }

  /** Finds what earlier runs left, checks the free space, creates directories. */
  async #prepare(): Promise<void> {
    const { options, clock, stop } = this.#run;
    const limit = wholeLimit(this.#run.budget);
    const directories = new Map<string, Map<string, string[]>>();
    const bytes = this.#items.reduce((sum, { file }) => sum + file.size, 0);
    const main = this.#items[0] === undefined ? options.root : dirname(this.#items[0].staging);
    try {
      for (const directory of new Set(this.#items.map((item) => dirname(item.staging)))) {
        directories.set(directory, leftovers(namesIn(directory)));
      }
      this.#files = this.#items.map((item) => {
        const names = directories.get(dirname(item.staging))?.get(stemOf(item.staging)) ?? [];
        const specs = digestSpecs(options.verify ? item.file.digest : null, item.compute);
        if (item.file.size <= limit) {
          for (const name of names) removePartial(this.#run.files, `${dirname(item.staging)}/${name}`);
          return { kind: "small", item, specs, size: item.file.size, done: [], lost: 0 };
        }
        return this.#large.add(item, specs, names);
      });
      this.#present = this.#files.reduce((sum, { done }) => sum + rangeBytes(done), 0);
      await checkFreeSpace(main, bytes - this.#present);
      makeDirectories(options.root, directories.keys());
      await this.#small.prepare(directories.keys());
    } catch (error) {
      throw errorFrom(error, `preparing ${main}`);
    }
    this.#run.emit({ type: "start", files: this.#items.length, bytes, bytesPresent: this.#present });
    // A process that still writes to what was taken over notices within this time, and stops.
    if (this.#files.some((file) => file.kind === "large" && !file.partial.isSettled)) {
      await clock.sleep(SETTLE, stop.signal);
    }
  }

  async #download(): Promise<void> {
    const { queue, stop } = this.#run;
    queue.plan(this.#tasks());
    if (this.#files.length === 0) queue.close();
    const tickers = [
      this.#every(TICK, (elapsed) => this.#look(elapsed)),
      this.#every(RAMP_EVERY, (elapsed) => this.#ramp(elapsed)),
      this.#every(CHECK_EVERY, () => this.#large.check()),
      this.#every(FLUSH_EVERY, () => this.#large.flush()),
    ];
    for (const file of this.#files) {
      if (file.kind === "large" && file.isComplete) this.#large.finish(file);
    }
    this.#connect();
    // More may be added meanwhile.
    for (let n = 0; n < this.#workers.length; n++) await this.#workers[n];
    await this.#run.settle();
    if (stop.signal.aborted) throw stop.signal.reason;
    stop.abort();
    await Promise.all(tickers);
  }

  /** Starts the first connection, or doubles their number up to the limit. */
  #connect(): void {
    const count = Math.min(Math.max(1, this.#workers.length), this.#run.options.jobs - this.#workers.length);
    for (let n = 0; n < count; n++) this.#workers.push(this.#work());
  }

  *#tasks(): Generator<Task> {
    for (const { file, range } of planOrder(this.#files, this.#run.budget)) {
      if (file.kind === "small") yield () => this.#small.download(file);
      else if (range !== null) yield () => this.#large.download(file, range);
    }
  }

  async #work(): Promise<void> {
    const { queue } = this.#run;
    for (let task = await queue.take(); task !== null; task = await queue.take()) await task();
  }

  /** Calls `act` every `ms` milliseconds until the end, with the milliseconds that have passed. */
  async #every(ms: number, act: (elapsed: number) => void): Promise<void> {
    const { clock, stop } = this.#run;
    try {
      for (;;) {
        const slept = clock.now();
        await clock.sleep(ms, stop.signal);
        act(clock.now() - slept);
      }
    } catch (error) {
      if (!stop.signal.aborted) stop.abort(error);
    }
  }

  #look(elapsed: number): void {
    // If this process was held up, by a disk or a suspended machine, what arrived meanwhile is read first.
    if (elapsed < TICK + HELD_UP) {
      this.#run.look();
      this.#large.look();
    }
    this.#small.flush();
    this.#large.divide();
  }

  #ramp(elapsed: number): void {
    const { moved, options: { maxBandwidth: limit } } = this.#run;
    const bytes = moved - this.#ramped;
    if (connectionsHelp({ bytes, elapsed, cores: navigator.hardwareConcurrency, limit })) this.#connect();
    this.#ramped = moved;
  }

  /** Called in every case: stops all work, and records what was downloaded. */
  async #shutDown(): Promise<void> {
    this.#run.stop.abort();
    const ending = Promise.all([this.#large.stop(), this.#run.settle()]);
    const timeout = new AbortController();
    await Promise.race([ending, systemClock.sleep(LAST_FLUSH, timeout.signal).catch(() => {})]);
    timeout.abort();
    this.#small.close();
    this.#large.close();
  }

  /** One result per requested item, in their order. */
  #collect(): TransferredFile[] {
    return this.#asked.flatMap((item) => {
      const result = this.#run.results.get(item.staging);
      return result === undefined ? [] : [{ ...result, file: item.file }];
    });
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
