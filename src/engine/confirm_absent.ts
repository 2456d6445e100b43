import { withoutSecrets } from "../log/secret_names.ts";

/** Milliseconds that Python is waited for. */
const PATIENCE = 15_000;

/**
 * Asks a Python whether it really lacks a package: import hooks are not seen from outside. Only true if it
 * says so.
 *
 * Requires `--allow-run`.
 */
export async function confirmAbsent(
  name: string,
  python: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  const script =
    `import importlib.util; print("absent" if importlib.util.find_spec("${name}") is None else "there")`;
  try {
    const { success, stdout } = await new Deno.Command(python, {
      args: ["-c", script],
      clearEnv: true,
      env: withoutSecrets(env),
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(PATIENCE),
    }).output();
    return success && new TextDecoder().decode(stdout).trim() === "absent";
  } catch {
    return false;
  }
}
