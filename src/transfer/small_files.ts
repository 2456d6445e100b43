import { errorFrom } from "../errors/mod.ts";
import { removePartial, renameOwned } from "./partial_file.ts";

/** A proven small file on its way to disk. */
export interface SmallFile {
  readonly path: string;
  readonly target: string;
  readonly bytes: Uint8Array;
}

/** Files flushed to disk together: journaling file systems commit them in a few transactions instead of one each. */
const BATCH = 128;
/** Flushes under way at once, each a thread. */
const FLUSHES = 16;

/** Writes small files and publishes them in batches: each is on disk before it gets its final name. */
export class SmallFiles {
  #batch: { file: SmallFile; handle: Deno.FsFile; done: () => void; failed: (error: unknown) => void }[] = [];
  #running: Promise<void> = Promise.resolve();

  /** Writes a file at once. @returns a promise for its publication, which `drain` or further files bring about. */
  add(file: SmallFile): Promise<void> {
    let handle: Deno.FsFile;
    try {
      handle = Deno.openSync(file.path, { write: true, createNew: true, mode: 0o644 });
    } catch (error) {
      return Promise.reject(errorFrom(error, `writing ${file.path}`));
    }
    try {
      for (let at = 0; at < file.bytes.length;) at += handle.writeSync(file.bytes.subarray(at));
    } catch (error) {
      handle.close();
      removePartial(file.path);
      return Promise.reject(errorFrom(error, `writing ${file.path}`));
    }
    const published = new Promise<void>((done, failed) => this.#batch.push({ file, handle, done, failed }));
    if (this.#batch.length >= BATCH) void this.drain();
    return published;
  }

  /** Publishes all that was added. */
  drain(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length === 0) return this.#running;
    return this.#running = this.#running.then(async () => {
      const queue = batch.values();
      await Promise.all(Array.from({ length: FLUSHES }, async () => {
        for (const entry of queue) await publish(entry);
      }));
    });
  }

  /** Removes what was written and is not being published; resolves when nothing is under way. */
  discard(): Promise<void> {
    for (const { file, handle, failed } of this.#batch) {
      handle.close();
      removePartial(file.path);
      failed(new Error("the transfer has ended"));
    }
    this.#batch = [];
    return this.#running;
  }
}

async function publish(entry: {
  file: SmallFile;
  handle: Deno.FsFile;
  done: () => void;
  failed: (error: unknown) => void;
}): Promise<void> {
  try {
    try {
      await entry.handle.syncData();
    } finally {
      entry.handle.close();
    }
    renameOwned(entry.file.path, entry.file.target);
    entry.done();
  } catch (error) {
    entry.failed(error);
  }
}
