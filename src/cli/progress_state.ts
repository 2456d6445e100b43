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

/** Milliseconds after which a check or a small file is shown. */
const LAG = 1000;
/** Files of at least this many bytes are shown immediately. */
const LARGE = 8 << 20;
/** Milliseconds before the time left is estimated. */
const ETA_AFTER = 2000;
/** The rate is the mean over this many milliseconds. */
const WINDOW = 10_000;

type Start = Pick<Extract<TransferEvent, { type: "start" }>, "files" | "bytes" | "bytesPresent">;

export type ProgressState = ReturnType<typeof progressState>;
export type ProgressSnapshot = ReturnType<ProgressState["at"]>;

/** Adds up the events of one transfer. Times are in milliseconds, from any clock. */
export function progressState({ files, bytes, bytesPresent }: Start, startedAt: number) {
  const known = new Map<string, FileProgress>();
  let arrived = 0;
  let ended = false;
  const samples = [{ at: startedAt, arrived }];

  function sample(now: number): void {
    if (now - (samples.at(-1)?.at ?? 0) >= WINDOW / 40) samples.push({ at: now, arrived });
    // Keeps one sample before the window, to measure the rate from.
    while ((samples[1]?.at ?? now) <= now - WINDOW) samples.shift();
  }

  return {
    add(event: TransferEvent, now: number): void {
      if (event.type === "file") {
        const { path, size, state } = event;
        const file = known.get(path);
        if (file === undefined) known.set(path, { path, size, state, bytes: 0, since: now });
        else if (file.state !== state) [file.state, file.since] = [state, now];
      } else if (event.type === "bytes") {
        arrived += event.bytes;
        const file = known.get(event.path);
        if (file !== undefined) file.bytes += event.bytes;
        sample(now);
      } else if (event.type === "end") ended = true;
    },

    at(now: number) {
      sample(now);
      const from = samples[0] ?? { at: now, arrived };
      const rate = now > from.at ? Math.max(0, (arrived - from.arrived) * 1000 / (now - from.at)) : 0;
      const bytesDone = Math.max(0, Math.min(bytes, bytesPresent + arrived));
      const isSlow = ({ since }: FileProgress) => now - since >= LAG;
      const all = [...known.values()];
      const coming = all.filter((f) => f.state === "active").sort((a, b) => a.since - b.since);
      const active = coming.filter((f) => f.size >= LARGE || isSlow(f));
      const verifying = all.filter((f) => f.state === "verifying" && isSlow(f));
      return {
        filesDone: all.filter((f) => f.state === "done").length,
        files,
        /** On disk, from this run and earlier ones. */
        bytesDone,
        bytes,
        /** On disk before this run. */
        bytesPresent,
        /** Bytes per second over the last `WINDOW`. */
        rate,
        /** Milliseconds left at that rate; `null` if unknown. */
        eta: rate > 0 && now - startedAt >= ETA_AFTER ? (bytes - bytesDone) * 1000 / rate : null,
        /** Files being downloaded, oldest first: large ones, and those that take longer than `LAG`. */
        active,
        /** The number of other files being downloaded. */
        small: coming.length - active.length,
        /** Complete files whose check takes longer than `LAG`. */
        verifying,
        onlyVerifying: coming.length === 0 && verifying.length > 0 && bytesDone === bytes,
        /** The transfer has ended, and the files are flushed and published. */
        publishing: ended,
      };
    },
  };
}
