import { count, formatBytes, formatDuration, formatRate } from "./format.ts";
import { printable } from "../log/printable.ts";
import type { FileProgress, ProgressSnapshot } from "./progress_state.ts";
import { clip } from "./table.ts";

/** Maximum number of files shown. */
const FILES = 6;

/** The live display: model, bar, and a line for each large or slow file; no line wider than `columns`. */
export function renderBar(snapshot: ProgressSnapshot, columns: number, model?: string): string[] {
  const width = Math.max(1, columns);
  // A single file's line would repeat the numbers of the bar.
  const shown = [...snapshot.files === 1 ? [] : snapshot.active, ...snapshot.verifying];
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

/** One line for logs. */
export function describeProgress(snapshot: ProgressSnapshot): string {
  return fieldsOf(snapshot).map(([text]) => text).join(", ");
}

/** The state of all files together. On a narrow terminal, the most expendable fields are left out. */
function fieldsOf(s: ProgressSnapshot): (readonly [text: string, expendable: number])[] {
  const part = [percent(s.bytesDone, s.bytes), 0] as const;
  const size = [`${formatBytes(s.bytesDone)} / ${formatBytes(s.bytes)}`, 1] as const;
  const files = s.files === 1 ? [] : [[`${s.filesDone}/${s.files} files`, 3] as const];
  if (s.publishing) return [part, size, ...files, ["writing to disk", 0]];
  if (s.onlyVerifying) return [part, [`verifying ${count(s.verifying.length, "file")}`, 0], ...files];
  const eta = s.eta === null ? [] : [[`${formatDuration(s.eta)} left`, 0] as const];
  return [part, size, [formatRate(s.rate), 2], ...eta, ...files];
}

function overall(snapshot: ProgressSnapshot, width: number): string {
  let fields = fieldsOf(snapshot);
  const line = () => fields.map(([text], at) => at === 0 ? text.padStart(4) : text).join("  ");
  for (const most of [3, 2, 1]) {
    if (line().length > width) fields = fields.filter(([, expendable]) => expendable !== most);
  }
  const room = Math.min(32, width - line().length - 1);
  return clip(room >= 8 ? `${bar(snapshot.bytesDone, snapshot.bytes, room)} ${line()}` : line(), width);
}

function bar(done: number, all: number, width: number): string {
  const inner = width - 2;
  const filled = all === 0 ? inner : Math.floor(inner * Math.min(1, done / all));
  const head = filled > 0 && filled < inner ? ">" : "";
  return `[${"=".repeat(filled - head.length)}${head}${" ".repeat(inner - filled)}]`;
}

function fileLine(file: FileProgress, width: number): string {
  const part = percent(file.bytes, file.size).padStart(4);
  const bytes = `  ${formatBytes(Math.max(0, file.bytes))} / ${formatBytes(file.size)}`;
  const state = file.state === "verifying" ? "verifying" : width < 60 ? part : part + bytes;
  const room = Math.max(8, Math.min(48, width - state.length - 4));
  return clip(`  ${clipMiddle(file.path, room).padEnd(room)}  ${state}`, width);
}

function percent(done: number, all: number): string {
  if (all === 0) return "100%";
  // Shows 100 % only when the download is complete.
  return `${Math.min(done < all ? 99 : 100, Math.max(0, Math.floor(done * 100 / all)))}%`;
}

/** Cuts the middle of a name, since shards' names differ at the end. */
function clipMiddle(text: string, width: number): string {
  const clean = printable(text);
  if (clean.length <= width || width < 4) return clip(clean, width);
  const end = Math.ceil((width - 2) / 2);
  return `${clean.slice(0, width - 2 - end)}..${clean.slice(clean.length - end)}`;
}
