import { withoutSecrets } from "../log/secret_names.ts";

/** Milliseconds that a program is waited for. */
const PATIENCE = 15_000;

/**
 * What a program prints on standard output, trimmed; `null` if it does not run, fails, or takes longer than
 * 15 s. It gets no secrets.
 *
 * Requires `--allow-run`.
 */
export async function askProgram(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(path, {
      args: [...args],
      clearEnv: true,
      env: withoutSecrets(env),
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(PATIENCE),
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}
