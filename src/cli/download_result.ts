import type { DownloadReport } from "../download/download_model.ts";
import type { CommandContext } from "./command.ts";

/** Version of the JSON that downloads print. */
const VERSION = 1;

/** What a download prints on standard output: the path alone, or with `--format json` one line. */
export function downloadResult(
  context: CommandContext,
  report: DownloadReport & { readonly model: string },
): string {
  if (context.flags.format !== "json") return `${report.path}\n`;
  const { elapsed, ...rest } = report;
  return `${JSON.stringify({ version: VERSION, ...rest, elapsedMs: Math.round(elapsed) })}\n`;
}
