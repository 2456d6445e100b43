import { configureLog, log } from "../log/logger.ts";
import { redact } from "../log/redact.ts";
import type { CommandContext } from "./command.ts";
import { writeAll } from "./output.ts";
import { createProgress, type Progress, PROGRESS_MODES } from "./progress.ts";

/**
 * Shows a transfer on this process's standard error. Log lines go above a live display while it is there: call
 * `finish` or `close` in any case.
 *
 * @param mode The value of `--progress`.
 */
export function startProgress(context: Pick<CommandContext, "stderr" | "env">, mode: string): Progress {
  const write = (text: string) => {
    // A closed standard error must not end a download.
    try {
      writeAll(Deno.stderr, redact(text));
    } catch { /* nowhere left to say so */ }
  };
  const progress = createProgress({
    mode: PROGRESS_MODES.find((known) => known === mode) ?? "auto",
    isTerminal: context.stderr.isTerminal && context.env.TERM !== "dumb",
    write,
    log: log.info,
    columns: terminalColumns,
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

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    // Standard error is a terminal of no known size, or none.
    return 80;
  }
}
