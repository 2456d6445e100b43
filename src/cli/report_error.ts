import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { SCHEMA_VERSION } from "./output.ts";
import { log, logEnabled } from "../log/logger.ts";
import { printable } from "../log/printable.ts";
import { redact } from "../log/redact.ts";

/**
 * The line for an error that ends the process, without line breaks or secrets, and the exit code. As `json`:
 * `{"time","level","message","kind","exitCode","hint"}`. The stack is logged at `DEBUG`.
 */
export function reportError(thrown: unknown, format: "text" | "json"): { line: string; code: number } {
  const error = errorFrom(thrown, "unexpected error");
  if (logEnabled("DEBUG")) log.debug("stack", { stack: stackOf(thrown) });
  if (format === "text") {
    return { line: printable(redact(`aim: error: ${error.line}`)), code: error.exitCode };
  }
  const fields = {
    schemaVersion: SCHEMA_VERSION,
    time: new Date().toISOString(),
    level: "ERROR",
    message: redact(error.message),
    ...(error.hint === undefined ? {} : { hint: redact(error.hint) }),
    kind: error.kind,
    exitCode: error.exitCode,
  };
  return { line: printable(JSON.stringify(fields)), code: error.exitCode };
}

/** Frames of libraries and Deno. AIM Engine's operator takes their line numbers after "s3" for a status. */
const FOREIGN_FRAME = /^\s+at .*(?:\/npm\/|\/libraries\/|node_modules|\(?(?:ext|node):)/;

function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const lines = (thrown.stack ?? thrown.message).split("\n");
  const own = lines.filter((line) => !FOREIGN_FRAME.test(line)).join("\n");
  const note = thrown instanceof AimError && thrown.hint !== undefined ? ` (${thrown.hint})` : "";
  return thrown.cause === undefined ? own + note : `${own}${note}\ncaused by ${stackOf(thrown.cause)}`;
}
