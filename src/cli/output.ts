/**
 * Whether to write colours: `NO_COLOR` (https://no-color.org) means never, `FORCE_COLOR`
 * (https://force-color.org) and `CLICOLOR_FORCE` (https://bixense.com/clicolors) always, else on a terminal
 * that is not `dumb`. Empty variables count as unset; as in Node, `FORCE_COLOR=0` means never.
 */
export function colourEnabled(
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): boolean {
  if (env.NO_COLOR || env.FORCE_COLOR === "0") return false;
  if (env.FORCE_COLOR) return true;
  if (env.CLICOLOR_FORCE && env.CLICOLOR_FORCE !== "0") return true;
  return isTerminal && env.TERM !== "dumb" && env.CLICOLOR !== "0";
}

/** What standard output or standard error is connected to. */
export type Terminal = ReturnType<typeof terminalOf>;

export function terminalOf(stream: { isTerminal(): boolean }) {
  const isTerminal = stream.isTerminal();
  return {
    isTerminal,
    /** Characters in a line at this moment, 80 if unknown; `Infinity` without a terminal. */
    get width(): number {
      if (!isTerminal) return Infinity;
      try {
        return Deno.consoleSize().columns || 80;
      } catch {
        return 80;
      }
    },
  };
}

/** Thrown when the reader of standard output has closed it. */
export class ClosedOutput extends Error {
  override readonly name = "ClosedOutput";
}

const encoder = new TextEncoder();

/**
 * Writes the complete text, waiting for a pipe if necessary.
 *
 * @throws {ClosedOutput} if the reader has closed it (`EPIPE`).
 */
export function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.writeSync(bytes.subarray(at));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) {
        throw new ClosedOutput("standard output is closed", { cause: error });
      }
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      // Another process has made the pipe non-blocking: wait for its reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** Changes when a key of the commands' JSON is removed or changes its meaning, not when one is added. */
export const SCHEMA_VERSION = 1;

export function jsonReport(value: object): string {
  return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...value })}\n`;
}
