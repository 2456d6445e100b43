/** Version of the JSON that commands print. It changes when the meaning of a key does, or one goes; keys are added without. */
export const SCHEMA_VERSION = 1;

/** What a command prints on standard output for programs: one line. */
export function jsonReport(value: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...value })}\n`;
}
