import type { DownloadReport } from "../download/download_report.ts";
import type { CommandContext } from "./command.ts";
import { jsonReport } from "./json_report.ts";

/** What a download prints on standard output: the path alone, or with `--format json` one line. */
export function downloadResult(
  context: CommandContext,
  report: DownloadReport & { readonly model: string },
): string {
  if (context.flags.format !== "json") return `${report.path}\n`;
  const { elapsed, ...rest } = report;
  return jsonReport({ ...rest, elapsedMs: Math.round(elapsed) });
}
