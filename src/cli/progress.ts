import type { DownloadReport } from "../download/download_report.ts";
import { configureLog, log } from "../log/logger.ts";
import { printable } from "../log/printable.ts";
import { redact } from "../log/redact.ts";
import type { TransferEvent } from "../transfer/types.ts";
import type { CommandContext } from "./command.ts";
import { count, formatBytes, formatDuration, formatRate } from "./format.ts";
import { SCHEMA_VERSION } from "./output.ts";
import { type ProgressSnapshot, progressState } from "./progress_state.ts";
import { describeProgress, renderBar } from "./render_progress.ts";

/** What `--progress` takes. `auto`: a bar on a terminal, else log lines. */
export const PROGRESS_MODES = ["auto", "bar", "log", "json", "none"] as const;

/** Milliseconds between two updates. */
const INTERVALS = { bar: 100, log: 10_000, json: 1000 } as const;
/** Minimum time between two logged retries (ms): a broken link causes one per connection. */
const RETRY_EVERY = 1000;

type Context = Pick<CommandContext, "stderr" | "env" | "flags" | "writeError">;

/** Shows a transfer on standard error, in the mode of `--progress`. Log lines then appear above the bar. */
export function startProgress(
  context: Context,
  /** `doing`: the verb for the first line. */
  { model, doing = "downloading" }: { readonly model?: string; readonly doing?: string },
) {
  const { stderr } = context;
  const mode = modeOf(context);
  const now = () => performance.now();
  const write = (text: string) => context.writeError(redact(text));
  // Read before each drawing, since the terminal may be resized.
  const columns = () => stderr.isTerminal ? Math.max(1, stderr.width) : 80;
  const redraw = redrawer(write, columns);
  let state = progressState({ files: 0, bytes: 0, bytesPresent: 0 }, now());
  let title = model;
  let retryToldAt = -Infinity;
  /** `undefined` while nothing is shown. */
  let timer: ReturnType<typeof setInterval> | undefined;

  const say = (event: string, fields: object, words: string | null, tell = log.info) => {
    const json = { schemaVersion: SCHEMA_VERSION, type: "progress", event, ...fields };
    if (mode === "json") write(`${printable(JSON.stringify(json))}\n`);
    else if (mode !== "none" && words !== null) tell(words);
  };
  // The final line replaces the bar and stays on the terminal.
  const tellEnd = mode === "bar" ? (text: string) => write(`${printable(text)}\n`) : log.info;
  // The last column stays empty: some terminals wrap a line that fills it.
  const draw = (above = "") => redraw(renderBar(state.at(now()), columns() - 1, title), above);
  const update = () => {
    if (mode === "bar") return draw();
    const snapshot = state.at(now());
    say("progress", numbersOf(snapshot), describeProgress(snapshot));
  };
  const end = () => {
    clearInterval(timer);
    if (timer !== undefined && mode === "bar") redraw([]);
    timer = undefined;
  };
  configureLog({
    write: (line) => timer !== undefined && mode === "bar" ? draw(`${line}\n`) : write(`${line}\n`),
  });

  return {
    onEvent(event: TransferEvent): void {
      state.add(event, now());
      if (event.type === "start") {
        state = progressState(event, now());
        end();
        const { files, bytes, bytesPresent, unpacking = false } = event;
        if (mode === "none" || (files === 0 && mode !== "json")) return;
        // The display must not keep the process alive.
        timer = setInterval(update, INTERVALS[mode]).unref();
        title = unpacking && model !== undefined ? `${model}: unpacking` : model;
        if (mode === "bar") return draw();
        const name = model === undefined ? "" : `${model}: `;
        const present = bytesPresent === 0 ? "" : ` (${formatBytes(bytesPresent)} already present)`;
        const what = `${name}${count(files, "file")}, ${formatBytes(bytes)}${present}`;
        say("start", { model, ...numbersOf(state.at(now())) }, `${unpacking ? "unpacking" : doing} ${what}`);
      } else if (event.type === "file") {
        say("file", { path: event.path, state: event.state, bytes: event.size }, null);
      } else if (event.type === "retry") {
        const { path, attempt, delay, reason } = event;
        const isSoon = now() - retryToldAt < RETRY_EVERY;
        if (!isSoon) retryToldAt = now();
        const words = `retrying ${path} in ${formatDuration(delay)} (attempt ${attempt}): ${reason}`;
        say("retry", { path, attempt, delayMs: Math.round(delay), reason }, isSoon ? null : words);
      }
    },

    /** Ends the display and prints the result. */
    finish({ files, bytes, bytesMoved, bytesPresent, elapsedMs, path }: DownloadReport): void {
      end();
      const present = bytesPresent === 0 ? "" : `, ${formatBytes(bytesPresent)} already present`;
      const rate = `${formatDuration(elapsedMs)} (${formatRate(bytesMoved * 1000 / elapsedMs)})`;
      const words = bytesMoved === 0
        ? `nothing to download: ${count(files, "file")}, ${formatBytes(bytes)}, already at ${path}`
        : `downloaded ${formatBytes(bytesMoved)} in ${rate}${present}: ${path}`;
      say("end", { files, bytes, bytesMoved, bytesPresent, elapsedMs, path }, words, tellEnd);
    },

    /** Ends the display. If the transfer was interrupted, prints how much is kept. */
    [Symbol.dispose](): void {
      const isUnfinished = timer !== undefined && model !== undefined;
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

function modeOf({ stderr, env, flags }: Context): keyof typeof INTERVALS | "none" {
  const wanted = PROGRESS_MODES.find((known) => known === flags.progress) ?? "auto";
  if (wanted !== "auto") return wanted;
  if (flags.quiet === true) return "none";
  return stderr.isTerminal && env.TERM !== "dumb" ? "bar" : "log";
}

/** Draws lines in place of those that it drew before, below `above`, which stays. */
function redrawer(write: (text: string) => void, columns: () => number) {
  let drawn: readonly string[] = [];
  return (lines: readonly string[], above = ""): void => {
    // The cursor is at the start of the line below the display. If the terminal has become narrower, it has
    // wrapped the lines, which then take more rows.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns())), 0);
    const erased = rows === 0 ? "" : `\x1b[${rows}A\r\x1b[J`;
    drawn = lines;
    write(erased + above + lines.map((line) => `${line}\n`).join(""));
  };
}

function numbersOf(
  { rate, eta, filesDone, files, bytesDone, bytes, bytesPresent }: ProgressSnapshot,
): object {
  const etaMs = eta === null ? null : Math.round(eta);
  return { filesDone, files, bytesDone, bytes, bytesPresent, bytesPerSecond: Math.round(rate), etaMs };
}
