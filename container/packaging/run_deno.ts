/** How a run of Deno's command line ended. */
export interface DenoRun {
  /** `null`: it did not end in time. */
  readonly code: number | null;
  /** Standard output and error, without colours. */
  readonly text: string;
}

/**
 * Runs this very Deno.
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
