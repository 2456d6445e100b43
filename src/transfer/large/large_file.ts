import { AimError } from "../../errors/aim_error.ts";
import { errorFrom } from "../../errors/from_unknown.ts";
import { log } from "../../log/logger.ts";
import type { ByteRange } from "../../sources/manifest.ts";
import { integrityError } from "../attempt_errors.ts";
import type { DigestSpec } from "../hash/digests.ts";
import type { HashJob, HashPool } from "../hash/hash_pool.ts";
import { prefixEnd } from "../ranges.ts";
import type { TransferRun } from "../transfer_run.ts";
import type { ComputedDigests, TransferItem } from "../types.ts";
import { PartialFile, type PartialOwner, StagingLostError } from "./partial_file.ts";
import { bindingOf } from "./part_record.ts";

/** Times that a file is restarted because another process has taken it over. */
const MOST_STOLEN = 3;

/** What all large files of a transfer share. */
export interface LargeFileContext {
  readonly run: TransferRun;
  readonly owner: PartialOwner;
  /** The threads that hash, started when first needed. */
  readonly pool: (specs: readonly DigestSpec[]) => HashPool;
}

/** A large file under way: its partial file, and its digests while it grows. */
export class LargeFile {
  readonly kind = "large";
  readonly item: TransferItem;
  /** Number of restarts. Parts that were planned before the last one are ignored. */
  round = 0;
  /** All bytes are on disk. */
  isProving = false;
  /** The server has answered a part with the complete file: one connection downloads all of it. */
  ignoresRanges = false;
  readonly #context: LargeFileContext;
  readonly #specs: readonly DigestSpec[];
  #partial: PartialFile;
  #hash: HashJob | null = null;
  #isActive = false;
  #rejected = 0;
  #stolen = 0;
  /** The flush under way. */
  #flushing: Promise<void> | null = null;

  private constructor(
    context: LargeFileContext,
    item: TransferItem,
    specs: readonly DigestSpec[],
    partial: PartialFile,
  ) {
    this.#context = context;
    this.item = item;
    this.#specs = specs;
    this.#partial = partial;
  }

  /**
   * Takes over what an earlier run left.
   *
   * @param names File names in the staging directory that earlier runs left for this file.
   * @returns `settled`: no other process can still be writing to it.
   */
  static adopt(
    context: LargeFileContext,
    item: TransferItem,
    specs: readonly DigestSpec[],
    names: readonly string[],
  ): { file: LargeFile; settled: boolean } {
    const binding = bindingOf(context.run.options.revision, item.file);
    const { partial, settled } = PartialFile.adopt(item.staging, binding, context.owner, names);
    return { file: new LargeFile(context, item, specs, partial), settled };
  }

  get size(): number {
    return this.item.file.size;
  }

  /** Ranges that are on disk: sorted, disjoint. */
  get done(): readonly ByteRange[] {
    return this.#partial.done;
  }

  get isComplete(): boolean {
    return prefixEnd(this.done) === this.size;
  }

  /** Opens the partial file. */
  open(): void {
    this.#context.run.stop.signal.throwIfAborted();
    this.#local(() => this.#partial.open());
    if (this.#isActive) return;
    this.#isActive = true;
    this.#context.run.state(this.item.file, "active");
  }

  /** A handle for writing at an offset. The caller closes it. */
  writer(offset: number): Deno.FsFile {
    return this.#partial.writer(offset);
  }

  /** Starts hashing what is on disk. */
  startHashing(): void {
    if (this.#hash !== null || this.#specs.length === 0) return;
    this.#hash = this.#context.pool(this.#specs).open(this.#partial.path, this.size, this.#specs);
    this.#hash.advance(prefixEnd(this.done));
  }

  /** Lets bytes `[0, to)` be hashed: they are on disk. */
  hashTo(to: number): void {
    this.#hash?.advance(to);
  }

  /** Records bytes that were handed to the operating system. */
  wrote(range: ByteRange): void {
    this.#local(() => this.#partial.wrote(range));
  }

  /** @throws {StagingLostError} when another process has taken over the partial file. */
  checkOwned(): void {
    this.#local(() => this.#partial.checkOwned());
  }

  /** Flushes what was recorded, unless a disk that is slower than the network is still busy with that. */
  flush(): Promise<void> {
    this.#flushing ??= this.#partial.flush().finally(() => this.#flushing = null);
    return this.#flushing;
  }

  /** Ends this run's use; what was downloaded stays for a later one. */
  close(): void {
    this.#partial.close();
  }

  /**
   * Proves the file and gives it its final name.
   *
   * @returns False if it must be restarted: its digest is wrong for the first time.
   * @throws {AimError} `integrity` its digest is wrong twice; {@linkcode StagingLostError}.
   */
  async publish(): Promise<boolean> {
    const { run } = this.#context;
    const { file } = this.item;
    try {
      this.open();
      this.startHashing();
      run.state(file, "verifying");
      this.hashTo(this.size);
      const digests: ComputedDigests = await (this.#hash?.done ?? {});
      if (!run.matches(file, digests)) return this.#reject(digests);
      const target = this.item.target(digests);
      await this.#partial.publish(target);
      run.done(this.item, target, digests);
      return true;
    } catch (error) {
      // Another process may have taken it over before the hashing thread opened it.
      this.checkOwned();
      throw this.#failed(error);
    }
  }

  #reject(digests: ComputedDigests): false {
    const { file } = this.item;
    if (++this.#rejected > 1) {
      this.#partial.discard();
      throw integrityError(file, digests);
    }
    log.warn(`${file.path} does not match its digest, fetching it again`, { digest: file.digest?.algorithm });
    return false;
  }

  /** Another process has taken over the partial file: throws if that happens again and again. */
  stolen(cause: StagingLostError): void {
    if (++this.#stolen > MOST_STOLEN) {
      throw new AimError("unexpected", `other processes keep taking over ${this.item.file.path}`, {
        hint: "let one process download the model",
        cause,
      });
    }
    log.warn(`another process has taken over ${this.item.file.path}; starting over`);
  }

  /** Throws away what has arrived. The next round begins under another name and shares nothing with this one. */
  restart(): void {
    const { run, owner } = this.#context;
    const { file, staging } = this.item;
    this.#hash?.cancel();
    this.#hash = null;
    this.#local(() => this.#partial.discard());
    this.#partial = PartialFile.fresh(staging, bindingOf(run.options.revision, file), owner);
    this.isProving = false;
    this.round++;
  }

  /** Runs something that touches only this machine's files. */
  #local(run: () => void): void {
    try {
      run();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): unknown {
    const isKnown = error instanceof StagingLostError || error === this.#context.run.stop.signal.reason;
    return isKnown ? error : errorFrom(error, `writing ${this.#partial.path}`);
  }
}
