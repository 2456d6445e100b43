// Python's own client of the hub, as it is today: in an environment of the tests' own, made once.
import { pythonEnv } from "./python_env.ts";

const env = await pythonEnv("hub", ["huggingface_hub==2.4.0", "hf-xet==1.8.0"]);
/** Why there is none; `null` where there is one. */
export const withoutPython: string | null = typeof env === "string" ? null : `skipped: ${env.skip}`;
const PYTHON = typeof env === "string" ? `${env}/bin/python3` : "python3";

/** What a script of Python's client printed, and how it ended. */
export interface PythonRan {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a Python script with nothing in its environment but what is given.
 *
 * @param script May use `argv`, and prints its result.
 */
export async function python(
  script: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<PythonRan> {
  const { code, stdout, stderr } = await new Deno.Command(PYTHON, {
    args: ["-c", script, ...args],
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
      HOME: Deno.env.get("HOME") ?? "/",
      HF_HUB_DISABLE_TELEMETRY: "1",
      HF_HUB_DISABLE_PROGRESS_BARS: "1",
      ...env,
    },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The client's version; `null` where there is none. */
export const PYTHON_HUB: string | null = withoutPython === null ? await version() : null;

async function version(): Promise<string | null> {
  try {
    const ran = await python("import huggingface_hub; print(huggingface_hub.__version__)");
    return ran.code === 0 ? ran.stdout.trim() : null;
  } catch {
    return null;
  }
}
