import type { TransferEvent } from "../transfer/types.ts";
import { printable } from "../log/printable.ts";
import { SCHEMA_VERSION } from "./json_report.ts";
import { count, formatBytes, formatDuration, formatRate } from "./format.ts";
import { type ProgressSnapshot, ProgressState } from "./progress_state.ts";
import { describeProgress, renderBar } from "./render_progress.ts";

/** What `--progress` takes. `auto`: a bar on a terminal, else log lines. */
export const PROGRESS_MODES = ["auto", "bar", "log", "json", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** Where and how progress is shown. Nothing of it goes to standard output. */
export interface ProgressOptions {
  readonly mode: ProgressMode;
  /** Standard error is a terminal whose cursor can be moved. */
  readonly isTerminal: boolean;
  /** Writes text to standard error unchanged. */
  readonly write: (text: string) => void;
  /** What is downloaded. @default {no name} */
  readonly model?: string;
  /** What is done with the bytes. @default {"downloading"} */
  readonly doing?: string;
  /** Logs a line: all of `log` mode, and retries in `bar` mode. */
  readonly log: (message: string) => void;
  /** Milliseconds, monotonic. @default {performance.now} */
  readonly now?: () => number;
  /** The terminal's width, read for each drawing since it may change. @default {() => 80} */
  readonly columns?: () => number;
  /** Calls a function every `ms` until the returned function is called. @default {setInterval} */
  readonly every?: (ms: number, call: () => void) => () => void;
}

/** The result of a download. */
export interface ProgressSummary {
  readonly files: number;
  /** Of the complete model. */
  readonly bytes: number;
  readonly bytesMoved: number;
  readonly bytesPresent: number;
  /** Milliseconds. */
  readonly elapsed: number;
  readonly path: string;
}

/** A display of a transfer. */
export interface Progress {
  onEvent(event: TransferEvent): void;
  /** Writes another line, such as a log line, above the display. */
  line(text: string): void;
  /** Ends the display with a line about the result. */
  finish(summary: ProgressSummary): void;
  /** Ends the display unless `finish` has done so; says what an unfinished download keeps. */
  close(): void;
}

/** Milliseconds between two updates. */
const INTERVALS = { bar: 100, log: 10_000, json: 1000 } as const;
/** Retries are reported at most this often (ms): a broken link causes one per connection. */
const RETRY_EVERY = 1000;

type Event<Type extends TransferEvent["type"]> = Extract<TransferEvent, { type: Type }>;

/** What one mode shows. */
interface Display {
  start(event: Event<"start">, snapshot: ProgressSnapshot): void;
  update(snapshot: ProgressSnapshot): void;
  file?(event: Event<"file">): void;
  retry(event: Event<"retry">): void;
  /** Removes what is drawn on the terminal. */
  clear?(): void;
  /** `snapshot` is `null` while nothing is shown. */
  line(text: string, snapshot: ProgressSnapshot | null): void;
  stopped(snapshot: ProgressSnapshot): void;
  finished(summary: ProgressSummary): void;
}

const DISPLAYS = { bar: barDisplay, log: logDisplay, json: jsonDisplay } as const;

/** Shows a transfer on standard error, in one of the modes of `--progress`. */
export function createProgress(options: ProgressOptions): Progress {
  const { model, now = () => performance.now(), every = everyInterval } = options;
  const mode = options.mode === "auto" ? (options.isTerminal ? "bar" : "log") : options.mode;
  if (mode === "none") {
    return { onEvent() {}, line: (text) => options.write(`${text}\n`), finish() {}, close() {} };
  }
  const display = DISPLAYS[mode](options);
  const state = new ProgressState();
  let stop: (() => void) | null = null;
  const end = () => {
    stop?.();
    if (stop !== null) display.clear?.();
    stop = null;
  };
  return {
    onEvent(event) {
      state.add(event, now());
      if (event.type === "start") end();
      if (event.type === "start" && (event.files > 0 || mode === "json")) {
        stop = every(INTERVALS[mode], () => display.update(state.at(now())));
        display.start(event, state.at(now()));
      }
      if (event.type === "file") display.file?.(event);
      if (event.type === "retry") display.retry(event);
    },
    line: (text) => display.line(text, stop === null ? null : state.at(now())),
    finish(summary) {
      end();
      display.finished(summary);
    },
    close() {
      const unfinished = stop !== null && model !== undefined;
      end();
      if (unfinished) display.stopped(state.at(now()));
    },
  };
}

function barDisplay(
  { write, log, model, now = () => performance.now(), columns = () => 80 }: ProgressOptions,
): Display {
  const mayTell = throttle(RETRY_EVERY, now);
  let drawn: string[] = [];
  let title = model;
  const width = () => Math.max(1, columns());
  // The cursor is at the start of the line below the display. If the terminal has become narrower, it has
  // wrapped the lines, which then take more rows.
  const erased = (): string => {
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / width())), 0);
    drawn = [];
    return rows === 0 ? "" : `\x1b[${rows}A\r\x1b[J`;
  };
  const draw = (snapshot: ProgressSnapshot, above = "") => {
    const before = erased();
    // The last column stays empty: some terminals wrap a line that fills it.
    drawn = renderBar(snapshot, width() - 1, title);
    write(before + above + drawn.map((line) => `${line}\n`).join(""));
  };
  return {
    start({ unpacking = false }, snapshot) {
      title = unpacking && model !== undefined ? `${model}: unpacking` : model;
      draw(snapshot);
    },
    update: (snapshot) => draw(snapshot),
    retry(event) {
      if (mayTell()) log(describeRetry(event));
    },
    clear: () => write(erased()),
    line(text, snapshot) {
      if (snapshot === null) write(`${text}\n`);
      else draw(snapshot, `${text}\n`);
    },
    stopped(snapshot) {
      const kept = describeKept(snapshot);
      if (kept !== null) write(`${kept}\n`);
    },
    finished: (summary) => write(`${printable(describeSummary(summary))}\n`),
  };
}

function logDisplay(
  { write, log, model, doing = "downloading", now = () => performance.now() }: ProgressOptions,
): Display {
  const mayTell = throttle(RETRY_EVERY, now);
  return {
    start({ files, bytes, bytesPresent, unpacking = false }) {
      const present = bytesPresent === 0 ? "" : ` (${formatBytes(bytesPresent)} already present)`;
      const what = model === undefined ? "" : `${model}: `;
      log(
        `${unpacking ? "unpacking" : doing} ${what}${count(files, "file")}, ${formatBytes(bytes)}${present}`,
      );
    },
    update: (snapshot) => log(describeProgress(snapshot)),
    retry(event) {
      if (mayTell()) log(describeRetry(event));
    },
    line: (text) => write(`${text}\n`),
    stopped(snapshot) {
      const kept = describeKept(snapshot);
      if (kept !== null) log(kept);
    },
    finished: (summary) => log(describeSummary(summary)),
  };
}

function jsonDisplay({ write, model }: ProgressOptions): Display {
  const tell = (event: string, fields: Readonly<Record<string, unknown>>) => {
    const json = JSON.stringify({ schemaVersion: SCHEMA_VERSION, type: "progress", event, ...fields });
    write(`${printable(json)}\n`);
  };
  return {
    start: (_, snapshot) => tell("start", { ...(model !== undefined && { model }), ...numbersOf(snapshot) }),
    update: (snapshot) => tell("progress", numbersOf(snapshot)),
    file({ path, state, size }) {
      if (state !== "waiting") tell("file", { path, state, bytes: size });
    },
    retry: ({ path, attempt, delay, reason }) =>
      tell("retry", { path, attempt, delayMs: Math.round(delay), reason }),
    line: (text) => write(`${text}\n`),
    stopped: (snapshot) => tell("stopped", numbersOf(snapshot)),
    finished: ({ files, bytes, bytesMoved, bytesPresent, elapsed, path }) =>
      tell("end", { files, bytes, bytesMoved, bytesPresent, elapsedMs: Math.round(elapsed), path }),
  };
}

function numbersOf(snapshot: ProgressSnapshot): Readonly<Record<string, unknown>> {
  const { filesDone, files, bytesDone, bytes, bytesPresent, rate, eta } = snapshot;
  const etaMs = eta === null ? null : Math.round(eta);
  return { filesDone, files, bytesDone, bytes, bytesPresent, bytesPerSecond: Math.round(rate), etaMs };
}

/** One sentence about the result of a download. */
function describeSummary(s: ProgressSummary): string {
  if (s.bytesMoved === 0) {
    return `nothing to download: ${count(s.files, "file")}, ${formatBytes(s.bytes)}, already at ${s.path}`;
  }
  const present = s.bytesPresent === 0 ? "" : `, ${formatBytes(s.bytesPresent)} already present`;
  return `downloaded ${formatBytes(s.bytesMoved)} in ${formatDuration(s.elapsed)} ` +
    `(${formatRate(s.bytesMoved * 1000 / s.elapsed)})${present}: ${s.path}`;
}

/** What an unfinished download leaves on disk; `null` for nothing. */
function describeKept({ bytesDone, bytes }: ProgressSnapshot): string | null {
  return bytesDone === 0
    ? null
    : `kept ${formatBytes(bytesDone)} of ${formatBytes(bytes)}: the same command resumes the download`;
}

function describeRetry({ path, delay, attempt, reason }: Event<"retry">): string {
  return `trying ${path} again in ${formatDuration(delay)} (attempt ${attempt}): ${reason}`;
}

/** Returns a function that is true at most once every `ms`. */
function throttle(ms: number, now: () => number): () => boolean {
  let last = -Infinity;
  return () => {
    if (now() - last < ms) return false;
    last = now();
    return true;
  };
}

function everyInterval(ms: number, call: () => void): () => void {
  const timer = setInterval(call, ms);
  // The display must not keep the process alive.
  Deno.unrefTimer(timer);
  return () => clearInterval(timer);
}
