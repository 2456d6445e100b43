/** What a run of the program printed and returned. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const ROOT = new URL("../../", import.meta.url).pathname;

/** Arguments of every run from source: the project's permissions, without prompts. */
export const DENO_RUN = ["run", "-q", "-P", "--no-prompt", `--config=${ROOT}deno.json`] as const;
export const MAIN = `${ROOT}main.ts`;

/** The executable to test; `undefined` runs aim from source. */
const EXECUTABLE = Deno.env.get("AIM_TEST_EXECUTABLE");
/** The command that starts aim, without aim's own arguments. */
export const AIM_COMMAND: readonly string[] = EXECUTABLE === undefined
  ? [Deno.execPath(), ...DENO_RUN, MAIN]
  : [EXECUTABLE];

/**
 * Runs aim in its own process and waits for it: from source, or the executable in AIM_TEST_EXECUTABLE. It
 * inherits only the variables that Deno needs.
 */
export async function aim(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; preload?: string } = {},
): Promise<Ran> {
  const preload = options.preload === undefined ? [] : ["--preload", options.preload];
  const output = await new Deno.Command(EXECUTABLE ?? Deno.execPath(), {
    args: EXECUTABLE === undefined ? [...DENO_RUN, ...preload, MAIN, ...args] : [...args],
    clearEnv: true,
    env: { ...plainEnvironment(), ...options.env },
    stdin: "null",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

/** The variables that a run from source needs. Without the last one, Deno checks for updates online. */
export function plainEnvironment(): Record<string, string> {
  const kept = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR"];
  const found = kept.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(found), DENO_NO_UPDATE_CHECK: "1" };
}
