import type { DownloadReport } from "../download/download_report.ts";
import { configureLog, log } from "../log/logger.ts";
import { printable } from "../log/printable.ts";
import { redact } from "../log/redact.ts";
import type { TransferEvent } from "../transfer/types.ts";
import type { CommandContext } from "./command.ts";
import { count, formatBytes, formatDuration, formatRate } from "./format.ts";
import { columnsNow, SCHEMA_VERSION } from "./output.ts";
import { type ProgressSnapshot, ProgressState } from "./progress_state.ts";
import { describeProgress, renderBar } from "./render_progress.ts";

/** What `--progress` takes. `auto`: a bar on a terminal, else log lines. */
export const PROGRESS_MODES = ["auto", "bar", "log", "json", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** Where and how progress is shown. None of it goes to standard output. */
export interface ProgressOptions {
  readonly mode: ProgressMode;
  /** Standard error is a terminal whose cursor can be moved. */
  readonly isTerminal: boolean;
  /** Writes text to standard error unchanged. */
  readonly write: (text: string) => void;
  readonly model?: string;
  /** What is done with the bytes. @default {"downloading"} */
  readonly doing?: string;
  /** Logs a line: all of `log` mode, and retries in `bar` mode. */
  readonly log: (message: string) => void;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** The terminal's width, read for each drawing since it may change. */
  readonly columns: () => number;
  /** Calls a function every `ms` until the returned function is called. */
  readonly every: (ms: number, call: () => void) => () => void;
}

export type ProgressSummary = Pick<
  DownloadReport,
  "files" | "bytes" | "bytesMoved" | "bytesPresent" | "elapsedMs" | "path"
>;

/** A display of a transfer. Disposing of it ends it; if it was not finished, that says what is kept. */
export interface Progress extends Disposable {
  onEvent(event: TransferEvent): void;
  /** Writes another line, such as a log line, above the display. */
  line(text: string): void;
  /** Ends the display with a line about the result. */
  finish(summary: ProgressSummary): void;
}

/**
 * Shows a transfer on this process's standard error, in the mode of `--progress`. From now on, log lines go
 * above the display.
 */
export function startProgress(
  { stderr, env, flags, writeError }: Pick<CommandContext, "stderr" | "env" | "flags" | "writeError">,
  options: Pick<ProgressOptions, "model" | "doing">,
): Progress {
  const wanted = PROGRESS_MODES.find((known) => known === flags.progress) ?? "auto";
  const progress = createProgress({
    ...options,
    mode: flags.quiet === true && wanted === "auto" ? "none" : wanted,
    isTerminal: stderr.isTerminal && env.TERM !== "dumb",
    write: (text) => writeError(redact(text)),
    log: log.info,
    now: () => performance.now(),
    columns: columnsNow,
    every(ms, call) {
      const timer = setInterval(call, ms);
      // The display must not keep the process alive.
      Deno.unrefTimer(timer);
      return () => clearInterval(timer);
    },
  });
  configureLog({ write: progress.line });
  return progress;
}

/** Milliseconds between two updates. */
const INTERVALS = { bar: 100, log: 10_000, json: 1000 } as const;
/** Retries are reported to people at most this often (ms): a broken link causes one per connection. */
const RETRY_EVERY = 1000;

export function createProgress(options: ProgressOptions): Progress {
  const { model, doing = "downloading", log, now, write } = options;
  const mode = options.mode === "auto" ? (options.isTerminal ? "bar" : "log") : options.mode;
  const state = new ProgressState();
  const redraw = redrawer(options);
  let title = model;
  let retryToldAt = -Infinity;
  /** Ends the updates; `null` while nothing is shown. */
  let stop: (() => void) | null = null;

  const say = (event: string, fields: object, words: string | null, tell = log) => {
    const json = { schemaVersion: SCHEMA_VERSION, type: "progress", event, ...fields };
    if (mode === "json") write(`${printable(JSON.stringify(json))}\n`);
    else if (mode !== "none" && words !== null) tell(words);
  };
  // The last lines stay on the terminal, instead of the bar.
  const tellEnd = mode === "bar" ? (text: string) => write(`${printable(text)}\n`) : log;
  // The last column stays empty: some terminals wrap a line that fills it.
  const draw = (above = "") =>
    redraw(renderBar(state.at(now()), Math.max(1, options.columns()) - 1, title), above);
  const update = () => {
    if (mode === "bar") return draw();
    const snapshot = state.at(now());
    say("progress", numbersOf(snapshot), describeProgress(snapshot));
  };
  const end = () => {
    stop?.();
    if (stop !== null && mode === "bar") redraw([]);
    stop = null;
  };
  return {
    onEvent(event) {
      state.add(event, now());
      if (event.type === "start") {
        end();
        const { files, bytes, bytesPresent, unpacking = false } = event;
        if (mode === "none" || (files === 0 && mode !== "json")) return;
        stop = options.every(INTERVALS[mode], update);
        title = unpacking && model !== undefined ? `${model}: unpacking` : model;
        if (mode === "bar") return draw();
        const name = model === undefined ? "" : `${model}: `;
        const present = bytesPresent === 0 ? "" : ` (${formatBytes(bytesPresent)} already present)`;
        const what = `${name}${count(files, "file")}, ${formatBytes(bytes)}${present}`;
        say("start", { model, ...numbersOf(state.at(now())) }, `${unpacking ? "unpacking" : doing} ${what}`);
      } else if (event.type === "file" && event.state !== "waiting") {
        say("file", { path: event.path, state: event.state, bytes: event.size }, null);
      } else if (event.type === "retry") {
        const { path, attempt, delay, reason } = event;
        const isSoon = now() - retryToldAt < RETRY_EVERY;
        if (!isSoon) retryToldAt = now();
        const words = `trying ${path} again in ${formatDuration(delay)} (attempt ${attempt}): ${reason}`;
        say("retry", { path, attempt, delayMs: Math.round(delay), reason }, isSoon ? null : words);
      }
    },
    line(text) {
      if (stop !== null && mode === "bar") draw(`${text}\n`);
      else write(`${text}\n`);
    },
    finish({ files, bytes, bytesMoved, bytesPresent, elapsedMs, path }) {
      end();
      const present = bytesPresent === 0 ? "" : `, ${formatBytes(bytesPresent)} already present`;
      const rate = `${formatDuration(elapsedMs)} (${formatRate(bytesMoved * 1000 / elapsedMs)})`;
      const words = bytesMoved === 0
        ? `nothing to download: ${count(files, "file")}, ${formatBytes(bytes)}, already at ${path}`
        : `downloaded ${formatBytes(bytesMoved)} in ${rate}${present}: ${path}`;
      say("end", { files, bytes, bytesMoved, bytesPresent, elapsedMs, path }, words, tellEnd);
    },
    [Symbol.dispose]() {
      const isUnfinished = stop !== null && model !== undefined;
      end();
      if (!isUnfinished) return;
      const snapshot = state.at(now());
      const { bytesDone, bytes } = snapshot;
      const kept = `kept ${formatBytes(bytesDone)} of ${
        formatBytes(bytes)
      }: the same command resumes the download`;
      say("stopped", numbersOf(snapshot), bytesDone === 0 ? null : kept, tellEnd);
    },
  };
}

/** Draws lines in place of those that it drew before, below a text that stays. */
function redrawer({ write, columns }: ProgressOptions): (lines: readonly string[], above?: string) => void {
  let drawn: readonly string[] = [];
  return (lines, above = "") => {
    // The cursor is at the start of the line below the display. If the terminal has become narrower, it has
    // wrapped the lines, which then take more rows.
    const width = Math.max(1, columns());
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / width)), 0);
    const erased = rows === 0 ? "" : `\x1b[${rows}A\r\x1b[J`;
    drawn = lines;
    write(erased + above + lines.map((line) => `${line}\n`).join(""));
  };
}

function numbersOf(
  { filesDone, files, bytesDone, bytes, bytesPresent, rate, eta }: ProgressSnapshot,
): object {
  const etaMs = eta === null ? null : Math.round(eta);
  return { filesDone, files, bytesDone, bytes, bytesPresent, bytesPerSecond: Math.round(rate), etaMs };
}
