import { LOG_LEVELS, type LogLevel, writeLogLine } from "./logger.ts";

const METHODS = { debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARNING", error: "ERROR" } as const;

/**
 * What libraries write to the console becomes log lines with `library=true`, those below the level are dropped. Nothing of theirs
 * reaches standard output, which carries results alone.
 *
 * @param level `AIM_LOG_LEVEL_ROOT`: the libraries' own level, as Python's root logger has one.
 */
export function captureConsole(level: LogLevel, console: Partial<Console> = globalThis.console): void {
  for (const [method, own] of Object.entries(METHODS) as [keyof typeof METHODS, LogLevel][]) {
    console[method] = (...values: unknown[]) => {
      if (LOG_LEVELS.indexOf(own) < LOG_LEVELS.indexOf(level)) return;
      const text = values.map((v) => typeof v === "string" ? v : Deno.inspect(v, { depth: 2 })).join(" ");
      writeLogLine(own, text, { library: true });
    };
  }
}
