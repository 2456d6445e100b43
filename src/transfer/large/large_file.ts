import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import type { ByteRange } from "../../sources/manifest.ts";
import { integrityError } from "../attempt_errors.ts";
import type { DigestSpec } from "../hash/digests.ts";
import type { HashJob, HashPool } from "../hash/hash_pool.ts";
import { prefixEnd } from "../ranges.ts";
import type { TransferRun } from "../transfer_run.ts";
import type { ComputedDigests, TransferItem } from "../types.ts";
import { PartialFile, type StagingLostError } from "./partial_file.ts";
import { bindingOf } from "./part_record.ts";

/** Maximum restarts of a file because another process has taken it over. */
const MOST_STOLEN = 3;

/** A large file in progress: its partial file, and its digests while it grows. */
export class LargeFile {
  readonly kind = "large";
  readonly item: TransferItem;
  readonly partial: PartialFile;
  /** Number of restarts. Parts that were planned before the last one are ignored. */
  round = 0;
  /** All bytes are on disk. */
  isProving = false;
  /** The server has sent the complete file instead of a part: one connection downloads all of it. */
  ignoresRanges = false;
  readonly #run: TransferRun;
  readonly #pool: HashPool;
  readonly #specs: readonly DigestSpec[];
  #hash: HashJob | null = null;
  #isActive = false;
  #rejected = 0;
  #stolen = 0;

  constructor(run: TransferRun, pool: HashPool, item: TransferItem, specs: readonly DigestSpec[]) {
    this.#run = run;
    this.#pool = pool;
    this.item = item;
    this.#specs = specs;
    this.partial = new PartialFile(run.files, item.staging, bindingOf(run.options.revision, item.file));
  }

  get size(): number {
    return this.item.file.size;
  }

  /** Ranges that are on disk: sorted, disjoint. */
  get done(): readonly ByteRange[] {
    return this.partial.done;
  }

  get isComplete(): boolean {
    return prefixEnd(this.done) === this.size;
  }

  open(): void {
    this.#run.stop.signal.throwIfAborted();
    this.partial.open();
    if (!this.#isActive) this.#run.state(this.item.file, "active");
    this.#isActive = true;
  }

  /** Starts hashing what is on disk. */
  startHashing(): void {
    if (this.#hash !== null || this.#specs.length === 0) return;
    this.#hash = this.#pool.open(this.partial.path, this.size, this.#specs);
    this.#hash.advance(prefixEnd(this.done));
  }

  /** Lets bytes `[0, to)` be hashed: they are on disk. */
  hashTo(to: number): void {
    this.#hash?.advance(to);
  }

  /**
   * Proves the file and gives it its final name.
   *
   * @returns False if it must be restarted: its digest is wrong for the first time.
   * @throws {AimError} `integrity` its digest is wrong twice; {@linkcode StagingLostError}.
   */
  async publish(): Promise<boolean> {
    const { file } = this.item;
    try {
      this.open();
      this.startHashing();
      this.#run.state(file, "verifying");
      this.hashTo(this.size);
      const digests: ComputedDigests = await (this.#hash?.done ?? {});
      if (!this.#run.matches(file, digests)) return this.#reject(digests);
      const target = this.item.target(digests);
      await this.partial.publish(target);
      this.#run.done(this.item, target, digests);
      return true;
    } catch (error) {
      // Another process may have taken it over before the hashing thread opened it.
      this.partial.checkOwned();
      throw error;
    }
  }

  #reject(digests: ComputedDigests): false {
    const { file } = this.item;
    if (++this.#rejected > 1) {
      this.partial.restart();
      throw integrityError(file, digests);
    }
    log.warn(`${file.path} does not match its digest, downloading again`, { digest: file.digest?.algorithm });
    return false;
  }

  /** Another process has taken over the partial file: throws if that happens too often. */
  stolen(cause: StagingLostError): void {
    if (++this.#stolen > MOST_STOLEN) {
      throw new AimError("unexpected", `other processes keep taking over ${this.item.file.path}`, {
        hint: "let only one process download the model",
        cause,
      });
    }
    log.warn(`another process has taken over ${this.item.file.path}; starting over`);
  }

  restart(): void {
    this.#hash?.cancel();
    this.#hash = null;
    this.partial.restart();
    this.isProving = false;
    this.round++;
  }
}
