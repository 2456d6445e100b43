import type { DownloadReport } from "../download/download_report.ts";

/** A report as JSON shows it: the unit of time is part of the key. */
export function downloadJson({ elapsed, ...report }: DownloadReport & { readonly model: string }) {
  return { ...report, elapsedMs: Math.round(elapsed) };
}
