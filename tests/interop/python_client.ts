// Python's own client of the hub, pinned, in a cached virtual environment.
import { pythonEnv } from "./python_env.ts";

const env = await pythonEnv("hub", ["huggingface_hub==2.4.0", "hf-xet==1.8.0"]);
/** Why Python's client is unavailable; `null` if it is available. */
export const withoutPython: string | null = typeof env === "string" ? null : env.skip;
const PYTHON = typeof env === "string" ? `${env}/bin/python3` : "python3";

/** A Python script's output and exit code. */
export interface PythonRan {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a Python script with a clean environment.
 *
 * @param script May use `argv`; prints its result.
 * @param env Added to the clean environment.
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

/** The client's version; `null` if it is unavailable. */
export const PYTHON_HUB: string | null = withoutPython === null ? await version() : null;

async function version(): Promise<string | null> {
  try {
    const ran = await python("import huggingface_hub; print(huggingface_hub.__version__)");
    return ran.code === 0 ? ran.stdout.trim() : null;
  } catch {
    return null;
  }
}
