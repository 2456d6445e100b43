import type { TransferEvent } from "../transfer/types.ts";
import { printable } from "../log/printable.ts";
import { SCHEMA_VERSION } from "./json_report.ts";
import { count, formatBytes, formatDuration, formatRate } from "./format.ts";
import { type ProgressSnapshot, ProgressState } from "./progress_state.ts";
import { describeProgress, renderBar } from "./render_progress.ts";

/** What `--progress` takes. `auto`: a bar on a terminal, else log lines. */
export const PROGRESS_MODES = ["auto", "bar", "log", "json", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** Where progress is shown, and how. Nothing here reaches standard output. */
export interface ProgressOptions {
  readonly mode: ProgressMode;
  /** Standard error is a terminal that can move its cursor. */
  readonly isTerminal: boolean;
  /** Writes to standard error as it is. */
  readonly write: (text: string) => void;
  /** What is downloaded. @default {no name} */
  readonly model?: string;
  /** What is done with the bytes. @default {"downloading"} */
  readonly doing?: string;
  /** Logs a line: what `log` mode shows, and the end of `bar`. */
  readonly log: (message: string) => void;
  /** Milliseconds, monotonic. @default {performance.now} */
  readonly now?: () => number;
  /** The terminal's width; asked at each drawing, since it may change. @default {() => 80} */
  readonly columns?: () => number;
  /** Calls a function every so many ms until the returned one is called. @default {setInterval} */
  readonly every?: (ms: number, call: () => void) => () => void;
}

/** How a download ended. */
export interface ProgressSummary {
  readonly files: number;
  /** All of the model. */
  readonly bytes: number;
  readonly bytesMoved: number;
  readonly bytesPresent: number;
  /** Milliseconds. */
  readonly elapsed: number;
  /** Where it is. */
  readonly path: string;
}

/** A display of a transfer. */
export interface Progress {
  onEvent(event: TransferEvent): void;
  /** Writes a line of something else (a log line, without line break) without disturbing the display. */
  line(text: string): void;
  /** Ends the display with a line that says what was done. */
  finish(summary: ProgressSummary): void;
  /** Ends the display, where `finish` has not. */
  close(): void;
}

const REDRAW = 100;
const LOG_EVERY = 10_000;
const JSON_EVERY = 1000;
/** Retries are reported at most this often (ms): a broken link causes one per connection. */
const RETRY_EVERY = 1000;

/** Shows a transfer on standard error, in one of the modes of `--progress`. */
export function createProgress(options: ProgressOptions): Progress {
  const mode = options.mode === "auto" ? (options.isTerminal ? "bar" : "log") : options.mode;
  switch (mode) {
    case "bar":
      return barProgress(options);
    case "log":
      return logProgress(options);
    case "json":
      return jsonProgress(options);
    case "none":
      return { onEvent() {}, line: (text) => options.write(`${text}\n`), finish() {}, close() {} };
  }
}

/** One sentence on how a download ended. */
export function describeSummary(s: ProgressSummary): string {
  if (s.bytesMoved === 0) {
    return `nothing to download: ${count(s.files, "file")}, ${formatBytes(s.bytes)}, already at ${s.path}`;
  }
  const present = s.bytesPresent === 0 ? "" : `, ${formatBytes(s.bytesPresent)} already present`;
  return `downloaded ${formatBytes(s.bytesMoved)} in ${formatDuration(s.elapsed)} ` +
    `(${formatRate(s.bytesMoved * 1000 / s.elapsed)})${present}: ${s.path}`;
}

/** What an unfinished download leaves behind; `null` where that is nothing. */
function describeKept({ bytesDone, bytes }: ProgressSnapshot): string | null {
  return bytesDone === 0
    ? null
    : `kept ${formatBytes(bytesDone)} of ${formatBytes(bytes)}: the same command resumes the download`;
}

function barProgress(options: ProgressOptions): Progress {
  const { write, log, model, now = () => performance.now(), columns = () => 80, every = everyInterval } =
    options;
  const state = new ProgressState();
  const told = throttle(RETRY_EVERY, now);
  let drawn: string[] = [];
  let stop: (() => void) | null = null;
  let finished = false;

  // The cursor rests at the start of the line after the display. Lines drawn on a wider terminal have been
  // folded by a narrower one: they take more rows now.
  const erase = (width: number): string => {
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / width)), 0);
    drawn = [];
    return rows === 0 ? "" : `\x1b[${rows}A\r\x1b[J`;
  };
  const draw = () => {
    const width = Math.max(1, columns());
    const before = erase(width);
    // The last column stays free: some terminals fold a line that fills it.
    drawn = renderBar(state.at(now()), width - 1, model);
    write(before + drawn.map((line) => `${line}\n`).join(""));
  };
  const line = (text: string) => {
    const showing = stop !== null;
    write(`${erase(Math.max(1, columns()))}${text}\n`);
    if (showing) draw();
  };
  const close = () => {
    if (stop === null) return;
    stop();
    stop = null;
    write(erase(Math.max(1, columns())));
    const kept = finished || model === undefined ? null : describeKept(state.at(now()));
    if (kept !== null) write(`${kept}\n`);
  };
  return {
    onEvent(event) {
      state.add(event, now());
      if (event.type === "start" && stop === null && event.files > 0) {
        stop = every(REDRAW, draw);
        draw();
      }
      if (event.type === "retry" && told()) log(describeRetry(event));
      if (event.type === "end") {
        finished = true;
        close();
      }
    },
    line,
    finish(summary) {
      finished = true;
      close();
      write(`${printable(describeSummary(summary))}\n`);
    },
    close,
  };
}

function logProgress(options: ProgressOptions): Progress {
  const { write, log, model, doing = "downloading" } = options;
  const { now = () => performance.now(), every = everyInterval } = options;
  const state = new ProgressState();
  const told = throttle(RETRY_EVERY, now);
  let stop: (() => void) | null = null;
  const end = () => {
    stop?.();
    stop = null;
  };
  const close = () => {
    const kept = stop === null || model === undefined ? null : describeKept(state.at(now()));
    end();
    if (kept !== null) log(kept);
  };
  return {
    onEvent(event) {
      state.add(event, now());
      if (event.type === "start" && event.files > 0) {
        end();
        const present = event.bytesPresent === 0
          ? ""
          : ` (${formatBytes(event.bytesPresent)} already present)`;
        const what = model === undefined ? "" : `${model}: `;
        log(`${doing} ${what}${count(event.files, "file")}, ${formatBytes(event.bytes)}${present}`);
        stop = every(LOG_EVERY, () => log(describeProgress(state.at(now()))));
      }
      if (event.type === "retry" && told()) log(describeRetry(event));
      if (event.type === "end") end();
    },
    line: (text) => write(`${text}\n`),
    finish(summary) {
      end();
      log(describeSummary(summary));
    },
    close,
  };
}

function jsonProgress(options: ProgressOptions): Progress {
  const { write, model, now = () => performance.now(), every = everyInterval } = options;
  const state = new ProgressState();
  let stop: (() => void) | null = null;
  const tell = (event: string, fields: Record<string, unknown>) =>
    write(
      `${printable(JSON.stringify({ schemaVersion: SCHEMA_VERSION, type: "progress", event, ...fields }))}\n`,
    );
  const end = () => {
    stop?.();
    stop = null;
  };
  return {
    onEvent(event) {
      state.add(event, now());
      switch (event.type) {
        case "start":
          end();
          tell("start", { ...(model === undefined ? {} : { model }), ...numbersOf(state.at(now())) });
          stop = every(JSON_EVERY, () => tell("progress", numbersOf(state.at(now()))));
          break;
        case "file":
          if (event.state !== "waiting") {
            tell("file", { path: event.path, state: event.state, bytes: event.size });
          }
          break;
        case "retry":
          tell("retry", {
            path: event.path,
            attempt: event.attempt,
            delayMs: Math.round(event.delay),
            reason: event.reason,
          });
          break;
        case "end":
          end();
          break;
      }
    },
    line: (text) => write(`${text}\n`),
    finish({ files, bytes, bytesMoved, bytesPresent, elapsed, path }) {
      end();
      tell("end", { files, bytes, bytesMoved, bytesPresent, elapsedMs: Math.round(elapsed), path });
    },
    close() {
      if (stop !== null && model !== undefined) tell("stopped", numbersOf(state.at(now())));
      end();
    },
  };
}

function numbersOf(s: ProgressSnapshot): Record<string, unknown> {
  return {
    filesDone: s.filesDone,
    files: s.files,
    bytesDone: s.bytesDone,
    bytes: s.bytes,
    bytesPresent: s.bytesPresent,
    bytesPerSecond: Math.round(s.rate),
    etaMs: s.eta === null ? null : Math.round(s.eta),
  };
}

function describeRetry(event: Extract<TransferEvent, { type: "retry" }>): string {
  return `trying ${event.path} again in ${
    formatDuration(event.delay)
  } (attempt ${event.attempt}): ${event.reason}`;
}

/** True at most once in so many ms. */
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
  // The display alone keeps no process alive.
  Deno.unrefTimer(timer);
  return () => clearInterval(timer);
}
