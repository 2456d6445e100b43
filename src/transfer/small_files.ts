import { errorFrom } from "../errors/mod.ts";
import { log } from "../log/mod.ts";
import type { ManifestFile } from "../sources/manifest.ts";
import { TransientError } from "../sources/source.ts";
import { fatalFrom, integrityError, isFatal } from "./attempt_errors.ts";
import { chunks } from "./copy_body.ts";
import { type DigestSpec, digestStream } from "./digests.ts";
import { nonce } from "./nonce.ts";
import { StagingLostError } from "./partial_file.ts";
import { wholeLimit } from "./planner.ts";
import { ownStaging } from "./staging_names.ts";
import type { TransferRun } from "./transfer_run.ts";
import type { ComputedDigests, TransferItem } from "./types.ts";
import { writeSmallFile } from "./write_small_file.ts";

/** A file that is held in memory until it is proven. */
export interface SmallFile {
  readonly kind: "small";
  readonly item: TransferItem;
  readonly specs: readonly DigestSpec[];
}

/** Brings files in one piece each: one request, one proof, one write. */
export class SmallFiles {
  readonly #run: TransferRun;
  /** Memory that no connection uses at present. */
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  readonly #requests = new Set<OpenRequest>();

  constructor(run: TransferRun) {
    this.#run = run;
  }

  /** @throws {AimError} `integrity` a digest that does not match twice; `network`; `no-space`. */
  async bring(file: SmallFile): Promise<void> {
    const { item } = file;
    this.#run.state(item.file, "active");
    const memory = this.#spare.pop() ?? new Uint8Array(wholeLimit(this.#run.budget));
    const bytes = memory.subarray(0, item.file.size);
    for (let rejected = 0;; rejected++) {
      if (bytes.length > 0) await this.#fetch(item.file, bytes);
      const stream = digestStream(file.specs, item.file.size);
      stream.update(bytes);
      const digests = stream.digests();
      if (this.#run.matches(item.file, digests)) {
        this.#publish(file, bytes, digests);
        this.#spare.push(memory);
        return;
      }
      this.#run.bytes(item.file, -bytes.length);
      if (rejected > 0) throw integrityError(item.file, digests);
      log.warn(`${item.file.path} does not match its digest, fetching it again`);
    }
  }

  /** Ends requests that have stalled: nothing of a small file is kept. */
  look(): void {
    for (const { abort, moved } of this.#requests) {
      if (moved !== null && this.#run.isStalled(moved)) abort.abort(this.#run.stalled());
    }
  }

  #publish({ item }: SmallFile, bytes: Uint8Array<ArrayBuffer>, digests: ComputedDigests): void {
    const target = item.target(digests);
    for (let lost = 0;; lost++) {
      try {
        writeSmallFile(ownStaging(item.staging, nonce()), target, bytes);
        return this.#run.done(item, target, digests);
      } catch (error) {
        // Another process, the lease defeated, took it for a leftover.
        if (!(error instanceof StagingLostError) || lost > 3) throw errorFrom(error, `writing ${target}`);
      }
    }
  }

  /** Fills `bytes`, which are as many as the file has. */
  async #fetch(file: ManifestFile, bytes: Uint8Array): Promise<void> {
    for (let failures = 1;; failures++) {
      const failure = await this.#attempt(file, bytes);
      if (failure === null) return;
      if (isFatal(failure.cause)) throw fatalFrom(failure.cause, `reading ${file.path}`);
      await this.#run.pause(file, failures, failure.cause);
    }
  }

  /** One request. Resolves to what went wrong, if anything did. */
  async #attempt(file: ManifestFile, bytes: Uint8Array): Promise<{ cause: unknown } | null> {
    const run = this.#run;
    const { signal } = run.stop;
    const request: OpenRequest = { abort: new AbortController(), moved: run.clock.now() };
    const { abort } = request;
    const onStop = () => abort.abort(signal.reason);
    signal.addEventListener("abort", onStop, { once: true });
    this.#requests.add(request);
    let at = 0;
    try {
      if (signal.aborted) throw signal.reason;
      const { body } = await run.source.read(file, null, abort.signal);
      for await (const chunk of chunks(body, run.chunk, abort.signal)) {
        run.moved += chunk.length;
        if (at + chunk.length > file.size) throw new TransientError(`more than ${file.size} bytes came`);
        // Waiting for a share of the bandwidth is no stall.
        request.moved = null;
        await run.bucket?.take(chunk.length, abort.signal);
        request.moved = run.clock.now();
        bytes.set(chunk, at);
        at += chunk.length;
      }
      if (at < file.size) throw new TransientError(`the body ended after ${at} of ${file.size} bytes`);
      run.bytes(file, at);
      return null;
    } catch (error) {
      return { cause: abort.signal.aborted ? abort.signal.reason : error };
    } finally {
      this.#requests.delete(request);
      signal.removeEventListener("abort", onStop);
    }
  }
}

interface OpenRequest {
  readonly abort: AbortController;
  /** When the last byte came; `null` while none is asked for. */
  moved: number | null;
}
