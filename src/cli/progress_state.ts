import type { FileState, TransferEvent } from "../transfer/types.ts";

/** One file as progress sees it. */
export interface FileProgress {
  readonly path: string;
  readonly size: number;
  state: FileState;
  /** Bytes that are there. */
  bytes: number;
  /** When the state began, ms. */
  since: number;
}

/** What is known of a transfer at one moment. */
export interface ProgressSnapshot {
  /** Of all files. */
  readonly filesDone: number;
  readonly files: number;
  /** Bytes there, of an earlier run and of this one. */
  readonly bytesDone: number;
  readonly bytes: number;
  /** Bytes there before this run. */
  readonly bytesPresent: number;
  /** Bytes a second over the last seconds. */
  readonly rate: number;
  /** Milliseconds to the end at that rate; `null` while nothing tells. */
  readonly eta: number | null;
  /** Files that bytes are coming for, longest active first: large ones, and others that take longer than {@linkcode LAG}. */
  readonly active: readonly FileProgress[];
  /** How many others bytes are coming for: their names would only flash by. */
  readonly small: number;
  /** Files whose bytes are all there and whose check has been going on for longer than {@linkcode LAG}. */
  readonly verifying: readonly FileProgress[];
  /** True when checks are all that is left. */
  readonly onlyVerifying: boolean;
}

/** A check that runs beside the transfer is not worth a word before this many ms. */
export const LAG = 1000;
/** Bytes from which a file's name is worth a line at once. */
const LARGE = 8 << 20;
/** The first ms say nothing of the rest. */
const ETA_AFTER = 2000;
/** The rate is the mean over this many ms. */
const WINDOW = 10_000;

/** Adds up transfer events. Time comes from outside, in ms. */
export class ProgressState {
  #files = new Map<string, FileProgress>();
  #count = 0;
  #bytes = 0;
  #present = 0;
  #arrived = 0;
  #done = 0;
  #started = 0;
  /** Bytes that came since the start, sampled. */
  #samples: { at: number; arrived: number }[] = [];

  add(event: TransferEvent, now: number): void {
    switch (event.type) {
      case "start":
        this.#files.clear();
        [this.#count, this.#bytes, this.#present] = [event.files, event.bytes, event.bytesPresent];
        [this.#arrived, this.#done, this.#started] = [0, 0, now];
        this.#samples = [{ at: now, arrived: 0 }];
        return;
      case "file": {
        const file = this.#files.get(event.path);
        if (event.state === "done" && file?.state !== "done") this.#done++;
        if (file?.state === "done" && event.state !== "done") this.#done--;
        if (file === undefined) {
          this.#files.set(event.path, {
            path: event.path,
            size: event.size,
            state: event.state,
            bytes: 0,
            since: now,
          });
        } else if (file.state !== event.state) [file.state, file.since] = [event.state, now];
        return;
      }
      case "bytes": {
        this.#arrived += event.bytes;
        const file = this.#files.get(event.path);
        if (file !== undefined) file.bytes += event.bytes;
        this.#sample(now);
        return;
      }
    }
  }

  #sample(now: number): void {
    const last = this.#samples.at(-1);
    if (last === undefined || now - last.at >= WINDOW / 40) {
      this.#samples.push({ at: now, arrived: this.#arrived });
    }
    // One sample before the window stays: the rate is measured from it.
    while ((this.#samples[1]?.at ?? now) <= now - WINDOW) this.#samples.shift();
  }

  at(now: number): ProgressSnapshot {
    this.#sample(now);
    const from = this.#samples[0] ?? { at: now, arrived: this.#arrived };
    const rate = now > from.at ? Math.max(0, (this.#arrived - from.arrived) * 1000 / (now - from.at)) : 0;
    const bytesDone = Math.max(0, Math.min(this.#bytes, this.#present + this.#arrived));
    const files = [...this.#files.values()];
    const coming = files.filter((f) => f.state === "active").sort((a, b) => a.since - b.since);
    const active = coming.filter((f) => f.size >= LARGE || now - f.since >= LAG);
    const verifying = files.filter((f) => f.state === "verifying" && now - f.since >= LAG);
    return {
      filesDone: this.#done,
      files: this.#count,
      bytesDone,
      bytes: this.#bytes,
      bytesPresent: this.#present,
      rate,
      eta: rate > 0 && now - this.#started >= ETA_AFTER ? (this.#bytes - bytesDone) * 1000 / rate : null,
      active,
      small: coming.length - active.length,
      verifying,
      onlyVerifying: coming.length === 0 && verifying.length > 0 && bytesDone === this.#bytes,
    };
  }
}
