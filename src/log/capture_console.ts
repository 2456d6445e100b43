import { LOG_LEVELS, type LogLevel, writeLogLine } from "./logger.ts";

const METHODS = { debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARNING", error: "ERROR" } as const;

/** Turns what libraries write to the console into log lines: standard output has only results. */
export function captureConsole(level: LogLevel, console: Partial<Console> = globalThis.console): void {
  for (const [method, own] of Object.entries(METHODS) as [keyof typeof METHODS, LogLevel][]) {
    console[method] = (...values: unknown[]) => {
      if (LOG_LEVELS.indexOf(own) < LOG_LEVELS.indexOf(level)) return;
      const text = values.map((v) => typeof v === "string" ? v : Deno.inspect(v, { depth: 2 })).join(" ");
      writeLogLine(own, text, { library: true });
    };
  }
}
