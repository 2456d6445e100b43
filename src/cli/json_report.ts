import type { DownloadReport } from "../download/download_report.ts";

/** Changes when a key of the commands' JSON is removed or changes its meaning, not when one is added. */
export const SCHEMA_VERSION = 1;

/** A command's output for programs: one line. */
export function jsonReport(value: object): string {
  return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...value })}\n`;
}

/** A download as JSON shows it: the unit of time is part of the key. */
export function downloadJson({ elapsed, ...report }: DownloadReport) {
  return { ...report, elapsedMs: Math.round(elapsed) };
}
