import { printable } from "./printable.ts";
import { redact } from "./redact.ts";

/** Log levels in rising order, with the names of Python's logging. */
export const LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Settings of the process-wide logger. */
const state = {
  level: "INFO" as LogLevel,
  format: "text" as "text" | "json",
  /** Receives each line, without line break. */
  write(line: string): void {
    // A closed standard error must not end a download.
    try {
      Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
    } catch { /* nowhere to report it */ }
  },
  now: () => new Date(),
};

export function configureLog(options: Partial<typeof state>): void {
  Object.assign(state, options);
}

export function logEnabled(level: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(state.level);
}

/** The process-wide logger. Its lines are redacted and go to standard error. */
export const log = { debug: at("DEBUG"), info: at("INFO"), warn: at("WARNING"), error: at("ERROR") };

function at(level: LogLevel) {
  return (message: string, fields?: Record<string, unknown>): void => {
    if (logEnabled(level)) writeLogLine(level, message, fields);
  };
}

/** Writes a line regardless of the logger's level. */
export function writeLogLine(level: LogLevel, message: string, fields: Record<string, unknown> = {}): void {
  const time = state.now().toISOString();
  const texts = Object.entries(fields).map(([name, value]) => `${name}=${textOf(value)}`);
  const line = state.format === "json"
    ? encode({ time, level, message, ...fields })
    : [time, level, redact(message), ...texts].join(" ");
  state.write(printable(line));
}

/** JSON of a value. Redacts before encoding, which could change how a secret looks. */
function encode(value: unknown): string {
  return JSON.stringify(value, (_, inner) => typeof inner === "string" ? redact(inner) : inner) ??
    "undefined";
}

function textOf(value: unknown): string {
  if (typeof value !== "string") return encode(value);
  const clean = redact(value);
  return /^[\w./:@+*-]+$/.test(clean) ? clean : JSON.stringify(clean);
}
