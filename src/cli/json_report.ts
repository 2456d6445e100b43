/** Changes when a key of the commands' JSON is removed or changes its meaning, not when one is added. */
export const SCHEMA_VERSION = 1;

/** A command's output for programs: one line. */
export function jsonReport(value: object): string {
  return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...value })}\n`;
}
