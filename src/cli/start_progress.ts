import { configureLog, log } from "../log/logger.ts";
import { redact } from "../log/redact.ts";
import type { CommandContext } from "./command.ts";
import { columnsNow } from "./output.ts";
import { createProgress, type Progress, PROGRESS_MODES } from "./progress.ts";

/**
 * Shows a transfer on this process's standard error. Log lines go above a live display while it is there: call
 * `finish` or `close` in any case.
 *
 * @param wanted The value of `--progress`.
 * @param model What is downloaded: the display names it, and where it is closed unfinished it says what is kept. @default {no name}
 * @param doing What is done with the bytes. @default {"downloading"}
 */
export function startProgress(
  context: Pick<CommandContext, "stderr" | "env" | "quiet" | "writeError">,
  wanted: string,
  model?: string,
  doing?: string,
): Progress {
  const mode = context.quiet && wanted === "auto" ? "none" : wanted;
  const write = (text: string) => context.writeError(redact(text));
  const progress = createProgress({
    mode: PROGRESS_MODES.find((known) => known === mode) ?? "auto",
    isTerminal: context.stderr.isTerminal && context.env.TERM !== "dumb",
    write,
    log: log.info,
    columns: columnsNow,
    ...(model === undefined ? {} : { model }),
    ...(doing === undefined ? {} : { doing }),
  });
  configureLog({ write: (line) => progress.line(line) });
  const restore = () => configureLog({ write: (line) => write(`${line}\n`) });
  return {
    onEvent: progress.onEvent,
    line: progress.line,
    finish(summary) {
      progress.finish(summary);
      restore();
    },
    close() {
      progress.close();
      restore();
    },
  };
}
