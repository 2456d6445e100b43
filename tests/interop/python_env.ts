import { fromFileUrl } from "@std/path";

const SCRIPT = fromFileUrl(new URL("python_env.sh", import.meta.url));
const made = new Map<string, Promise<string | { readonly skip: string }>>();

/**
 * A Python virtual environment with these pinned packages, created once and cached between runs.
 *
 * @returns Its directory, which contains `bin/python3`, or why it is unavailable: tests that need it are then
 * ignored with that reason.
 * @throws {Error} The registry is reachable but the packages cannot be installed.
 */
export function pythonEnv(
  name: string,
  packages: readonly string[],
): Promise<string | { readonly skip: string }> {
  const key = [name, ...packages].join(" ");
  const env = made.get(key) ?? makeEnv(name, packages);
  made.set(key, env);
  return env;
}

async function makeEnv(
  name: string,
  packages: readonly string[],
): Promise<string | { readonly skip: string }> {
  const { code, stdout, stderr } = await new Deno.Command(SCRIPT, {
    args: [name, ...packages],
    stdin: "null",
  })
    .output();
  const said = new TextDecoder().decode(stderr).trim();
  if (code === 0) return new TextDecoder().decode(stdout).trim();
  if (code === 75) return { skip: said.split("\n").at(-1) ?? said };
  throw new Error(`python_env.sh ${name}: ${said}`);
}
