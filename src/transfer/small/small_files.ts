import { errorFrom } from "../../errors/from_unknown.ts";
import { log } from "../../log/logger.ts";
import { isInMemory } from "../../os/is_in_memory.ts";
import type { ManifestFile } from "../../sources/manifest.ts";
import { TransientError } from "../../sources/source.ts";
import { integrityError } from "../attempt_errors.ts";
import { chunks } from "../chunks.ts";
import { directoryGone } from "../directory_gone.ts";
import { digestsOf, type DigestSpec } from "../hash/digests.ts";
import { wholeLimit } from "../planner.ts";
import { ownStaging } from "../staging_names.ts";
import type { OpenRequest, TransferRun } from "../transfer_run.ts";
import type { ComputedDigests, TransferItem } from "../types.ts";

/** A file that is kept in memory until it is proven. */
export interface SmallFile {
  readonly kind: "small";
  readonly item: TransferItem;
  readonly specs: readonly DigestSpec[];
  readonly size: number;
  /** Always empty: small files are not resumed. */
  readonly done: readonly [];
  /** How often another process has removed it. */
  lost: number;
}

/** Files flushed together: flushed singly, each would wait for a commit of the file system's journal. */
const GROUP = 32;

/** Maximum repeated downloads of a file because another process has removed it. */
const MOST_LOST = 3;

/** A file that is written under a temporary name, and not yet flushed. */
interface Written {
  readonly small: SmallFile;
  readonly digests: ComputedDigests;
  readonly staging: string;
  /** `null` if there is nothing to flush. */
  readonly file: Deno.FsFile | null;
}

/** Downloads files in one piece each: one request, one proof, one write. */
export class SmallFiles {
  readonly #run: TransferRun;
  /** Buffers that no connection is using. */
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  #written: Written[] = [];
  #flushing: Promise<void> | null = null;
  /** On a file system in memory a flush does nothing, but still costs a call to another thread. */
  #inMemory = false;

  constructor(run: TransferRun) {
    this.#run = run;
  }

  /** @param directories The files' directories, which exist. */
  async prepare(directories: Iterable<string>): Promise<void> {
    for (const directory of directories) {
      this.#inMemory = await isInMemory(directory);
      if (!this.#inMemory) return;
    }
  }

  /** Downloads a file, which is `done` once its group is flushed. A final failure ends the transfer. */
  async download(file: SmallFile): Promise<void> {
    try {
      await this.#download(file);
    } catch (error) {
      this.#run.fail(file.item, error);
    }
  }

  /** Flushes the files written so far, then gives them their final names. */
  flush(): void {
    const group = this.#written;
    const first = group[0];
    if (first === undefined || this.#flushing !== null) return;
    this.#written = [];
    this.#flushing = this.#publish(group).finally(() => {
      this.#flushing = null;
      if (this.#written.length >= GROUP) this.flush();
    });
    this.#run.track(this.#flushing, first.small.item);
  }

  close(): void {
    for (const { file, staging } of this.#written.splice(0)) this.#discard(file, staging);
  }

  /** @throws {AimError} `integrity` a digest that does not match twice; `network`; `no-space`. */
  async #download(small: SmallFile): Promise<void> {
    const { item, specs } = small;
    this.#run.state(item.file, "active");
    const memory = this.#spare.pop() ?? new Uint8Array(wholeLimit(this.#run.budget));
    const bytes = memory.subarray(0, item.file.size);
    for (let rejected = 0;; rejected++) {
      if (bytes.length > 0) await this.#fetch(item.file, bytes);
      const digests = digestsOf(specs, bytes);
      if (this.#run.matches(item.file, digests)) {
        this.#write(small, digests, bytes);
        break;
      }
      this.#run.bytes(item.file, -bytes.length);
      if (rejected > 0) throw integrityError(item.file, digests);
      log.warn(`${item.file.path} does not match its digest, downloading again`);
    }
    this.#spare.push(memory);
    if (this.#written.length >= GROUP || this.#run.requests === 0) this.flush();
    // Waits for a disk that is slower than the network, which limits the number of open files.
    if (this.#written.length >= GROUP) await this.#flushing?.catch(() => {});
  }

  #write(small: SmallFile, digests: ComputedDigests, bytes: Uint8Array<ArrayBuffer>): void {
    const staging = ownStaging(small.item.staging);
    let file: Deno.FsFile | null = null;
    try {
      if (this.#inMemory) this.#run.files.write(staging, bytes);
      else {
        file = this.#run.files.create(staging);
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      }
    } catch (error) {
      // Not added to the written files: a torn file must not get its final name.
      this.#discard(file, staging);
      throw directoryGone(error, staging) ?? error;
    }
    this.#written.push({ small, digests, staging, file });
  }

  #discard(file: Deno.FsFile | null, staging: string): void {
    file?.close();
    try {
      this.#run.files.remove(staging);
    } catch (error) {
      log.debug(`cannot remove ${staging}`, { reason: String(error) });
    }
  }

  async #publish(group: readonly Written[]): Promise<void> {
    const flushed = await Promise.allSettled(group.map(({ file }) => file?.syncData()));
    for (const { file } of group) file?.close();
    for (const [at, { small, digests, staging }] of group.entries()) {
      const target = small.item.target(digests);
      const result = flushed[at];
      try {
        if (result?.status === "rejected") throw result.reason;
        this.#run.files.rename(staging, target);
        this.#run.done(small.item, target, digests);
      } catch (error) {
        const gone = directoryGone(error, staging);
        if (gone === null && error instanceof Deno.errors.NotFound && this.#mayFetchAgain(small)) continue;
        throw gone ?? errorFrom(error, `writing ${target}`);
      }
    }
  }

  /** The lease has failed, and another process has removed the file as a leftover. False to give up. */
  #mayFetchAgain(small: SmallFile): boolean {
    if (++small.lost > MOST_LOST) return false;
    this.#run.bytes(small.item.file, -small.item.file.size);
    this.#run.queue.putBack([() => this.download(small)]);
    return true;
  }

  /** Fills `bytes`, which has the size of the file. */
  async #fetch(file: ManifestFile, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let failures = 1;; failures++) {
      const failure = await this.#run.attempt((request) => this.#read(file, bytes, request));
      if (failure === null) return;
      await this.#run.pause(file, failures, failure);
    }
  }

  /** Reads a body that must have as many bytes as the file. */
  async #read(file: ManifestFile, bytes: Uint8Array<ArrayBuffer>, request: OpenRequest): Promise<void> {
    const run = this.#run;
    const { signal } = request.abort;
    const { body } = await run.source.read(file, null, signal);
    let at = 0;
    for await (const chunk of chunks(body, signal)) {
      run.moved += chunk.length;
      if (at + chunk.length > file.size) throw new TransientError(`received more than ${file.size} bytes`);
      // Waiting for a share of the bandwidth does not count as a stall.
      request.moved = null;
      await run.takeBytes?.(chunk.length, signal);
      request.moved = run.clock.now();
      bytes.set(chunk, at);
      at += chunk.length;
    }
    if (at < file.size) throw new TransientError(`the body ended after ${at} of ${file.size} bytes`);
    run.bytes(file, at);
  }
}
