import type { DownloadReport } from "../download/download_report.ts";
import { configureLog, log } from "../log/logger.ts";
import { printable } from "../log/printable.ts";
import { redact } from "../log/redact.ts";
import type { TransferEvent } from "../transfer/types.ts";
import type { CommandContext } from "./command.ts";
import { count, formatBytes, formatDuration, formatRate } from "./format.ts";
import { SCHEMA_VERSION } from "./json_report.ts";
import { columnsNow } from "./output.ts";
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
  /** What is downloaded. @default {no name} */
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

/** The result of a download. */
export type ProgressSummary = Pick<
  DownloadReport,
  "files" | "bytes" | "bytesMoved" | "bytesPresent" | "elapsedMs" | "path"
>;

/** A display of a transfer. Disposing of it ends it unless `finish` has done so, and says what is kept. */
export interface Progress extends Disposable {
  onEvent(event: TransferEvent): void;
  /** Writes another line, such as a log line, above the display. */
  line(text: string): void;
  /** Ends the display with a line about the result. */
  finish(summary: ProgressSummary): void;
}

/**
 * Shows a transfer on this process's standard error, in the mode of `--progress`. Log lines go above the live
 * display until it has ended.
 */
export function startProgress(
  { stderr, env, flags, quiet, writeError }: Pick<
    CommandContext,
    "stderr" | "env" | "flags" | "quiet" | "writeError"
  >,
  options: Pick<ProgressOptions, "model" | "doing">,
): Progress {
  const wanted = PROGRESS_MODES.find((known) => known === flags.progress) ?? "auto";
  const write = (text: string) => writeError(redact(text));
  const progress = createProgress({
    ...options,
    mode: quiet && wanted === "auto" ? "none" : wanted,
    isTerminal: stderr.isTerminal && env.TERM !== "dumb",
    write,
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
  configureLog({ write: (line) => progress.line(line) });
  const restore = () => configureLog({ write: (line) => write(`${line}\n`) });
  return {
    ...progress,
    finish(summary) {
      progress.finish(summary);
      restore();
    },
    [Symbol.dispose]() {
      progress[Symbol.dispose]();
      restore();
    },
  };
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
  /** Writes a line above what is drawn. */
  line?(text: string, snapshot: ProgressSnapshot): void;
  stopped(snapshot: ProgressSnapshot): void;
  finished(summary: ProgressSummary): void;
}

const DISPLAYS = { bar: barDisplay, log: logDisplay, json: jsonDisplay } as const;

/** Shows a transfer in one of the modes of `--progress`. */
export function createProgress(options: ProgressOptions): Progress {
  const { model, now, every, write } = options;
  const mode = options.mode === "auto" ? (options.isTerminal ? "bar" : "log") : options.mode;
  if (mode === "none") {
    return {
      onEvent() {},
      line: (text) => write(`${text}\n`),
      finish() {},
      [Symbol.dispose]() {},
    };
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
    line(text) {
      if (stop === null || display.line === undefined) write(`${text}\n`);
      else display.line(text, state.at(now()));
    },
    finish(summary) {
      end();
      display.finished(summary);
    },
    [Symbol.dispose]() {
      const unfinished = stop !== null && model !== undefined;
      end();
      if (unfinished) display.stopped(state.at(now()));
    },
  };
}

function barDisplay(options: ProgressOptions): Display {
  const { write, model } = options;
  let drawn: string[] = [];
  let title = model;
  const width = () => Math.max(1, options.columns());
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
    ...sentences(options, (text) => write(`${printable(text)}\n`)),
    start({ unpacking = false }, snapshot) {
      title = unpacking && model !== undefined ? `${model}: unpacking` : model;
      draw(snapshot);
    },
    update: (snapshot) => draw(snapshot),
    clear: () => write(erased()),
    line: (text, snapshot) => draw(snapshot, `${text}\n`),
  };
}

function logDisplay(options: ProgressOptions): Display {
  const { log, model, doing = "downloading" } = options;
  return {
    ...sentences(options, log),
    start({ files, bytes, bytesPresent, unpacking = false }) {
      const present = bytesPresent === 0 ? "" : ` (${formatBytes(bytesPresent)} already present)`;
      const what = `${model === undefined ? "" : `${model}: `}${count(files, "file")}, ${formatBytes(bytes)}`;
      log(`${unpacking ? "unpacking" : doing} ${what}${present}`);
    },
    update: (snapshot) => log(describeProgress(snapshot)),
  };
}

/** What both the bar and the log say. @param tell Writes a line about the end. */
function sentences(
  { log, now }: ProgressOptions,
  tell: (line: string) => void,
): Pick<Display, "retry" | "stopped" | "finished"> {
  let toldAt = -Infinity;
  return {
    retry({ path, delay, attempt, reason }) {
      if (now() - toldAt < RETRY_EVERY) return;
      toldAt = now();
      log(`trying ${path} again in ${formatDuration(delay)} (attempt ${attempt}): ${reason}`);
    },
    stopped({ bytesDone, bytes }) {
      if (bytesDone === 0) return;
      tell(`kept ${formatBytes(bytesDone)} of ${formatBytes(bytes)}: the same command resumes the download`);
    },
    finished({ files, bytes, bytesMoved, bytesPresent, elapsedMs, path }) {
      const present = bytesPresent === 0 ? "" : `, ${formatBytes(bytesPresent)} already present`;
      const rate = `${formatDuration(elapsedMs)} (${formatRate(bytesMoved * 1000 / elapsedMs)})`;
      tell(
        bytesMoved === 0
          ? `nothing to download: ${count(files, "file")}, ${formatBytes(bytes)}, already at ${path}`
          : `downloaded ${formatBytes(bytesMoved)} in ${rate}${present}: ${path}`,
      );
    },
  };
}

function jsonDisplay({ write, model }: ProgressOptions): Display {
  const tell = (event: string, fields: object) => {
    const json = JSON.stringify({ schemaVersion: SCHEMA_VERSION, type: "progress", event, ...fields });
    write(`${printable(json)}\n`);
  };
  return {
    start: (_, snapshot) => tell("start", { model, ...numbersOf(snapshot) }),
    update: (snapshot) => tell("progress", numbersOf(snapshot)),
    file({ path, state, size }) {
      if (state !== "waiting") tell("file", { path, state, bytes: size });
    },
    retry: ({ path, attempt, delay, reason }) =>
      tell("retry", { path, attempt, delayMs: Math.round(delay), reason }),
    stopped: (snapshot) => tell("stopped", numbersOf(snapshot)),
    finished: ({ files, bytes, bytesMoved, bytesPresent, elapsedMs, path }) =>
      tell("end", { files, bytes, bytesMoved, bytesPresent, elapsedMs, path }),
  };
}

function numbersOf(
  { filesDone, files, bytesDone, bytes, bytesPresent, rate, eta }: ProgressSnapshot,
): object {
  const etaMs = eta === null ? null : Math.round(eta);
  return { filesDone, files, bytesDone, bytes, bytesPresent, bytesPerSecond: Math.round(rate), etaMs };
}
