import { abortable } from "@std/async/abortable";
import { withoutSecrets } from "../log/redact.ts";

export interface ProgramOutput {
  readonly stdout: string;
  /** Why it failed; `null` if it succeeded. */
  readonly failed: string | null;
}

export interface RunOptions {
  /** Maximum milliseconds. */
  readonly timeout: number;
  /** Its complete environment, from which secrets are removed. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Kills it early. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs a program with a bounded wait. Never throws: the result contains the failure. */
export async function runProgram(
  path: string,
  args: readonly string[],
  { timeout, env, signal: end }: RunOptions,
): Promise<ProgramOutput> {
  const limit = AbortSignal.timeout(timeout);
  const signal = end === undefined ? limit : AbortSignal.any([limit, end]);
  const failed = (why: string, stdout = "") => ({ stdout, failed: `${path} ${why}` });
  try {
    signal.throwIfAborted();
    const child = new Deno.Command(path, {
      args: [...args],
      clearEnv: true,
      env: withoutSecrets(env),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    }).spawn();
    // A child of the program may keep the pipes open after the kill.
    const output = await abortable(child.output(), signal);
    const decoder = new TextDecoder();
    const stdout = decoder.decode(output.stdout);
    if (output.success) return { stdout, failed: null };
    const line = decoder.decode(output.stderr).trim().split("\n").at(-1) ?? "";
    return failed(`exited with ${output.code}${line === "" ? "" : `: ${line.slice(0, 200)}`}`, stdout);
  } catch (error) {
    if (end?.aborted) return failed("was stopped");
    if (limit.aborted) return failed(`did not finish within ${Math.round(timeout / 1000)} s`);
    if (error instanceof Deno.errors.NotFound) return failed("is not installed");
    return failed(`cannot be run: ${error instanceof Error ? error.message : error}`);
  }
}

/** What a program prints, trimmed; `null` if it does not run, fails, or takes longer than 15 s. */
export async function askProgram(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | null> {
  const { stdout, failed } = await runProgram(path, args, { timeout: 15_000, env });
  return failed === null ? stdout.trim() : null;
}
