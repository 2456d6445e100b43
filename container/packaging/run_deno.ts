/** Result of a run of the Deno CLI. */
export interface DenoRun {
  /** Exit code; `null` on timeout. */
  readonly code: number | null;
  /** Standard output and error, without colours. */
  readonly text: string;
}

/**
 * Runs the Deno executable of this process.
 *
 * @param options `cwd`, and `timeout` in milliseconds. @default {timeout: 300_000}
 */
export async function runDeno(
  args: readonly string[],
  options: { cwd?: string; timeout?: number } = {},
): Promise<DenoRun> {
  const signal = AbortSignal.timeout(options.timeout ?? 300_000);
  const output = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { NO_COLOR: "1" },
    stdin: "null",
    signal,
  }).output();
  const decoder = new TextDecoder();
  return {
    code: output.signal !== null && signal.aborted ? null : output.code,
    text: (decoder.decode(output.stdout) + decoder.decode(output.stderr)).trim(),
  };
}
