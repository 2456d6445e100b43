import { count, formatBytes, formatDuration, formatRate } from "./format.ts";
import { printable } from "../log/printable.ts";
import type { FileProgress, ProgressSnapshot } from "./progress_state.ts";

/** Lines of files at most; the rest is counted. */
const FILES = 6;

/** The live display: the model, the overall bar, then a line for each file worth naming. No line is wider than `columns`. */
export function renderBar(snapshot: ProgressSnapshot, columns: number, model?: string): string[] {
  const width = Math.max(1, columns);
  const shown = [...snapshot.active, ...snapshot.verifying];
  const rows = shown.length > FILES ? shown.slice(0, FILES - 1) : shown;
  const rest = shown.length - rows.length;
  return [
    ...(model === undefined ? [] : [clipMiddle(model, width)]),
    overall(snapshot, width),
    ...rows.map((file) => fileLine(file, width)),
    ...(rest > 0 ? [clip(`  and ${rest} more`, width)] : []),
    ...(snapshot.small > 0 ? [clip(`  ${count(snapshot.small, "small file")}`, width)] : []),
  ];
}

/** The same in one line, for logs. */
export function describeProgress(s: ProgressSnapshot): string {
  if (s.onlyVerifying) {
    return `verifying ${count(s.verifying.length, "file")}, ${s.filesDone} of ${s.files} done`;
  }
  const eta = s.eta === null ? "" : `, ${formatDuration(s.eta)} left`;
  return `${formatBytes(s.bytesDone)} of ${formatBytes(s.bytes)} (${percent(s.bytesDone, s.bytes)}), ` +
    `${formatRate(s.rate)}${eta}, ${s.filesDone} of ${count(s.files, "file")}`;
}

function overall(s: ProgressSnapshot, width: number): string {
  const fields = s.onlyVerifying
    ? [
      percent(s.bytesDone, s.bytes),
      `verifying ${count(s.verifying.length, "file")}`,
      `${s.filesDone}/${s.files} files`,
    ]
    : [
      percent(s.bytesDone, s.bytes).padStart(4),
      `${formatBytes(s.bytesDone)} / ${formatBytes(s.bytes)}`,
      formatRate(s.rate),
      s.eta === null ? "" : `${formatDuration(s.eta)} left`,
      `${s.filesDone}/${s.files} files`,
    ].filter((f) => f !== "");
  // What does not fit goes from the end; the bar takes what is left, when that is worth drawing.
  while (fields.length > 1 && fields.join("  ").length > width) fields.pop();
  const text = fields.join("  ");
  const room = Math.min(32, width - text.length - 1);
  return clip(room >= 8 ? `${bar(s.bytesDone, s.bytes, room)} ${text}` : text, width);
}

function bar(done: number, all: number, width: number): string {
  const inner = width - 2;
  const filled = all === 0 ? inner : Math.floor(inner * Math.min(1, done / all));
  const head = filled > 0 && filled < inner ? ">" : "";
  return `[${"=".repeat(filled - head.length)}${head}${" ".repeat(inner - filled)}]`;
}

function fileLine(file: FileProgress, width: number): string {
  const state = file.state === "verifying"
    ? "verifying"
    : width < 60
    ? percent(file.bytes, file.size).padStart(4)
    : `${percent(file.bytes, file.size).padStart(4)}  ${formatBytes(Math.max(0, file.bytes))} / ${
      formatBytes(file.size)
    }`;
  const room = Math.max(8, Math.min(48, width - state.length - 4));
  return clip(`  ${clipMiddle(file.path, room).padEnd(room)}  ${state}`, width);
}

function percent(done: number, all: number): string {
  if (all === 0) return "100%";
  // 100 is said only when it is all there.
  return `${Math.min(done < all ? 99 : 100, Math.max(0, Math.floor(done * 100 / all)))}%`;
}

function clip(text: string, width: number): string {
  return text.length <= width ? text : text.slice(0, width);
}

/** A name's beginning and end: shards differ there. */
function clipMiddle(text: string, width: number): string {
  const clean = printable(text);
  if (clean.length <= width || width < 4) return clip(clean, width);
  const end = Math.ceil((width - 2) / 2);
  return `${clean.slice(0, width - 2 - end)}..${clean.slice(clean.length - end)}`;
}
