import type {
  PublishBatch,
  PublishEntry,
  PublishOutcome,
  PublishReply,
  PublishStart,
} from "./publish_protocol.ts";

/** Bytes of memory that a batch has: as many as the largest of small files. */
const MEMORY = 1024 * 1024;
/** Batches that a thread has at most: of the last ones, nobody waits long. */
const BATCHES = 4;
/** A batch goes to a thread with so many bytes or files: a message costs as much as two files' bookkeeping. */
const BATCH_BYTES = 256 * 1024;
const BATCH_FILES = 16;

/** What a publisher tells whoever gave it files. */
export interface PublisherEvents<T> {
  /** Told what became of a file, with its bytes, which are valid until this returns. Must not throw. */
  readonly onOutcome: (file: T, outcome: PublishOutcome, bytes: Uint8Array<ArrayBuffer>) => void;
  /** Told of a file that was lost with the worker: what became of it is not known. */
  readonly onLost: (file: T, error: Error) => void;
}

/** A file to publish, but for its place in memory. */
export type PublishTask = Omit<PublishEntry, "at" | "size">;

interface Batch<T> {
  readonly memory: ArrayBuffer;
  readonly entries: PublishEntry[];
  readonly files: T[];
  /** Bytes. */
  used: number;
}

/** What a publisher has. */
export interface PublisherOptions {
  /** At most. */
  readonly threads: number;
  /** As in `WriteOptions`. */
  readonly sync: boolean;
}

interface Thread<T> {
  readonly worker: Worker;
  /** What it has, in the order in which it answers. */
  sent: Batch<T>[];
}

/**
 * Threads that prove small files and give them their names, in batches. Each starts when there is work for it, which takes 10 ms.
 *
 * @typeParam T What stands for a file.
 */
export class Publisher<T> {
  readonly #events: PublisherEvents<T>;
  readonly #most: number;
  readonly #start: PublishStart;
  #threads: Thread<T>[] = [];
  #ended = false;
  #filling: Batch<T> | null = null;
  readonly #spare: ArrayBuffer[] = [];
  #waiting: (() => void)[] = [];

  constructor(events: PublisherEvents<T>, { threads, sync }: PublisherOptions) {
    this.#events = events;
    this.#most = threads;
    this.#start = { type: "start", stopped: new Int32Array(new SharedArrayBuffer(4)), sync };
  }

  /**
   * Takes a copy of a file's bytes, at most 1 MiB; waits while the threads have all the memory there is.
   *
   * @returns Whether it was taken: not where there are no threads (any more).
   */
  async put(file: T, task: PublishTask, bytes: Uint8Array): Promise<boolean> {
    if (bytes.length > MEMORY) return false;
    for (;;) {
      if (this.#filling !== null && this.#filling.used + bytes.length > MEMORY) this.flush();
      if (this.#ended) return false;
      if (this.#filling !== null || this.#underWay < this.#most * BATCHES) break;
      await this.#change();
    }
    const batch = this.#filling ??= {
      memory: this.#spare.pop() ?? new ArrayBuffer(MEMORY),
      entries: [],
      files: [],
      used: 0,
    };
    new Uint8Array(batch.memory, batch.used, bytes.length).set(bytes);
    batch.entries.push({ ...task, at: batch.used, size: bytes.length });
    batch.files.push(file);
    batch.used += bytes.length;
    if (batch.used >= BATCH_BYTES || batch.files.length >= BATCH_FILES) this.flush();
    return true;
  }

  /** Sends what waits for company. */
  flush(): void {
    const batch = this.#filling;
    if (batch === null || this.#ended) return;
    const { memory, entries } = batch;
    this.#filling = null;
    try {
      const thread = this.#idlest();
      thread.sent.push(batch);
      thread.worker.postMessage({ type: "batch", memory, entries } satisfies PublishBatch, [memory]);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)), batch);
    }
  }

  /** Ends it: what the threads have not begun is left. Resolves when they write no more. */
  async stop(): Promise<void> {
    Atomics.store(this.#start.stopped, 0, 1);
    this.#ended = true;
    this.#wake();
    while (this.#underWay > 0) await this.#change();
    this.close();
  }

  /** Ends it at once. */
  close(): void {
    this.#ended = true;
    for (const { worker } of this.#threads) worker.terminate();
    this.#threads = [];
    this.#filling = null;
    this.#wake();
  }

  get #underWay(): number {
    return this.#threads.reduce((sum, { sent }) => sum + sent.length, 0);
  }

  #idlest(): Thread<T> {
    const least = this.#threads.toSorted((a, b) => a.sent.length - b.sent.length)[0];
    if (least !== undefined && (least.sent.length === 0 || this.#threads.length >= this.#most)) return least;
    const worker = new Worker(workerUrl(), { type: "module" });
    const thread: Thread<T> = { worker, sent: [] };
    worker.onmessage = ({ data }: MessageEvent<PublishReply>) => this.#receive(thread, data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`the publishing thread failed: ${event.message}`));
    };
    worker.postMessage(this.#start);
    this.#threads.push(thread);
    return thread;
  }

  #receive(thread: Thread<T>, { memory, outcomes }: PublishReply): void {
    const batch = thread.sent.shift();
    if (batch === undefined) return;
    for (const [n, outcome] of outcomes.entries()) {
      const [entry, file] = [batch.entries[n], batch.files[n]];
      if (entry === undefined || file === undefined) continue;
      this.#events.onOutcome(file, outcome, new Uint8Array(memory, entry.at, entry.size));
    }
    this.#spare.push(memory);
    this.#wake();
  }

  /** A thread fails for a reason that the others have, too: all end, and what they had is lost. */
  #fail(error: Error, unsent: Batch<T> | null = this.#filling): void {
    const lost = new Set(this.#threads.flatMap(({ sent }) => sent));
    if (unsent !== null) lost.add(unsent);
    for (const thread of this.#threads) thread.sent = [];
    this.close();
    for (const { files } of lost) for (const file of files) this.#events.onLost(file, error);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Where the worker's module lies: beside this one, compiled as this one is. */
function workerUrl(): URL {
  return new URL(
    import.meta.url.endsWith(".ts") ? "./publish_worker.ts" : "./publish_worker.js",
    import.meta.url,
  );
}
