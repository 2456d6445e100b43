import { configureLog, log } from "../log/logger.ts";
import { redact } from "../log/redact.ts";
import type { CommandContext } from "./command.ts";
import { columnsNow } from "./output.ts";
import { createProgress, type Progress, PROGRESS_MODES, type ProgressOptions } from "./progress.ts";

/**
 * Shows a transfer on this process's standard error, in the mode of `--progress`. Log lines go above the live
 * display until `finish` or `close` is called, so one of them must be.
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
    columns: columnsNow,
  });
  configureLog({ write: (line) => progress.line(line) });
  const restore = () => configureLog({ write: (line) => write(`${line}\n`) });
  return {
    ...progress,
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
