import type { FileState, TransferEvent } from "../transfer/types.ts";

export interface FileProgress {
  readonly path: string;
  readonly size: number;
  state: FileState;
  /** Bytes on disk. */
  bytes: number;
  /** When the state began, ms. */
  since: number;
}

export interface ProgressSnapshot {
  readonly filesDone: number;
  readonly files: number;
  /** Bytes on disk, from this run and earlier ones. */
  readonly bytesDone: number;
  readonly bytes: number;
  /** Bytes on disk before this run. */
  readonly bytesPresent: number;
  /** Bytes a second over the last seconds. */
  readonly rate: number;
  /** Milliseconds to the end at that rate; `null` if unknown. */
  readonly eta: number | null;
  /** Files being downloaded, longest active first: large ones, and those that take longer than `LAG`. */
  readonly active: readonly FileProgress[];
  /** The number of other files being downloaded. */
  readonly small: number;
  /** Complete files whose check takes longer than {@linkcode LAG}. */
  readonly verifying: readonly FileProgress[];
  readonly onlyVerifying: boolean;
  /** The transfer has ended, and the files are being flushed and published. */
  readonly publishing: boolean;
}

/** Milliseconds after which a check or a small file is shown. */
const LAG = 1000;
/** Files of at least this many bytes are shown immediately. */
const LARGE = 8 << 20;
/** Milliseconds before the time left is estimated. */
const ETA_AFTER = 2000;
/** The rate is the mean over this many milliseconds. */
const WINDOW = 10_000;

type Start = Pick<Extract<TransferEvent, { type: "start" }>, "files" | "bytes" | "bytesPresent">;

/** Adds up the events of one transfer. Times are in milliseconds, from any clock. */
export class ProgressState {
  readonly #start: Start;
  readonly #startedAt: number;
  readonly #files = new Map<string, FileProgress>();
  #arrived = 0;
  #ended = false;
  /** Samples of the bytes since the start. */
  #samples: { at: number; arrived: number }[] = [];

  constructor(start: Start, now: number) {
    this.#start = start;
    this.#startedAt = now;
    this.#sample(now);
  }

  add(event: TransferEvent, now: number): void {
    if (event.type === "file") {
      const { path, size, state } = event;
      const file = this.#files.get(path);
      if (file === undefined) this.#files.set(path, { path, size, state, bytes: 0, since: now });
      else if (file.state !== state) [file.state, file.since] = [state, now];
    } else if (event.type === "bytes") {
      this.#arrived += event.bytes;
      const file = this.#files.get(event.path);
      if (file !== undefined) file.bytes += event.bytes;
      this.#sample(now);
    } else if (event.type === "end") this.#ended = true;
  }

  #sample(now: number): void {
    const last = this.#samples.at(-1);
    if (last === undefined || now - last.at >= WINDOW / 40) {
      this.#samples.push({ at: now, arrived: this.#arrived });
    }
    // Keeps one sample before the window, to measure the rate from.
    while ((this.#samples[1]?.at ?? now) <= now - WINDOW) this.#samples.shift();
  }

  at(now: number): ProgressSnapshot {
    this.#sample(now);
    const { files, bytes, bytesPresent } = this.#start;
    const from = this.#samples[0] ?? { at: now, arrived: this.#arrived };
    const rate = now > from.at ? Math.max(0, (this.#arrived - from.arrived) * 1000 / (now - from.at)) : 0;
    const bytesDone = Math.max(0, Math.min(bytes, bytesPresent + this.#arrived));
    const isSlow = ({ since }: FileProgress) => now - since >= LAG;
    const all = [...this.#files.values()];
    const coming = all.filter((f) => f.state === "active").sort((a, b) => a.since - b.since);
    const active = coming.filter((f) => f.size >= LARGE || isSlow(f));
    const verifying = all.filter((f) => f.state === "verifying" && isSlow(f));
    return {
      filesDone: all.filter((f) => f.state === "done").length,
      files,
      bytesDone,
      bytes,
      bytesPresent,
      rate,
      eta: rate > 0 && now - this.#startedAt >= ETA_AFTER ? (bytes - bytesDone) * 1000 / rate : null,
      active,
      small: coming.length - active.length,
      verifying,
      onlyVerifying: coming.length === 0 && verifying.length > 0 && bytesDone === bytes,
      publishing: this.#ended,
    };
  }
}
