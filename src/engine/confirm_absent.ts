import { askProgram } from "../os/ask_program.ts";

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
  return await askProgram(python, ["-c", script], env) === "absent";
}
