/** What a run of the program printed and returned. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const ROOT = new URL("../../", import.meta.url).pathname;

/** Permission arguments of every start from source: the project's set, and no questions. */
export const DENO_RUN = ["run", "-q", "-P", "--no-prompt", `--config=${ROOT}deno.json`] as const;
export const MAIN = `${ROOT}main.ts`;

/** The program that AIM_TEST_EXECUTABLE names; `undefined`: from source. */
const EXECUTABLE = Deno.env.get("AIM_TEST_EXECUTABLE");
/** What starts aim, before its own arguments. */
export const AIM_COMMAND: readonly string[] = EXECUTABLE === undefined
  ? [Deno.execPath(), ...DENO_RUN, MAIN]
  : [EXECUTABLE];

/**
 * Runs aim in its own process, with nothing of this process's environment but what Deno itself needs, and
 * waits for it: from source, or the executable that AIM_TEST_EXECUTABLE names.
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

/**
 * The variables that a start from source needs: where programs and Deno's cache are. Deno looks for a newer
 * version of itself now and then, on the network; the executable never does.
 */
export function plainEnvironment(): Record<string, string> {
  const kept = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR"];
  const found = kept.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(found), DENO_NO_UPDATE_CHECK: "1" };
}
