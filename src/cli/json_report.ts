/** Version of the commands' JSON. It changes when a key is removed or changes its meaning, not when one is added. */
export const SCHEMA_VERSION = 1;

/** A command's output for programs: one line. */
export function jsonReport(value: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...value })}\n`;
}
