import type { Terminal } from "./command.ts";

/**
 * Whether to write colours: `NO_COLOR` (https://no-color.org) means never, `FORCE_COLOR` (https://force-color.org) and
 * `CLICOLOR_FORCE` (https://bixense.com/clicolors) always, else on a terminal that is not `dumb`. Empty variables count as
 * unset; `FORCE_COLOR=0` means never, as in Node, `CLICOLOR_FORCE=0` forces nothing.
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

/** What the stream is connected to. */
export function terminalOf(
  stream: { isTerminal(): boolean },
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const isTerminal = stream.isTerminal();
  return {
    isTerminal,
    colour: colourEnabled(env, isTerminal),
    columns: isTerminal ? columnsNow() : Infinity,
  };
}

/** Columns of the terminal, 80 where it does not say. */
export function columnsNow(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** The reader of standard output has gone: there is nobody left to write to. */
export class ClosedOutput extends Error {
  override readonly name = "ClosedOutput";
}

const encoder = new TextEncoder();

/**
 * Writes all of the text, also to a pipe that is not ready at once.
 *
 * @throws {ClosedOutput} when the reader has gone (`EPIPE`).
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
      // A pipe that another process made non-blocking: wait for its reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
