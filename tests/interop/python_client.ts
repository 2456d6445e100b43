// Python's huggingface_hub, where it can be had: named by AIM_TEST_PYTHON_HUB (a directory for PYTHONPATH), or installed.

const PYTHONPATH = Deno.env.get("AIM_TEST_PYTHON_HUB") ?? "";

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
  const { code, stdout, stderr } = await new Deno.Command("python3", {
    args: ["-c", script, ...args],
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
      HOME: Deno.env.get("HOME") ?? "/",
      ...(PYTHONPATH === "" ? {} : { PYTHONPATH }),
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
export const PYTHON_HUB: string | null = await version();

async function version(): Promise<string | null> {
  try {
    const ran = await python("import huggingface_hub; print(huggingface_hub.__version__)");
    return ran.code === 0 ? ran.stdout.trim() : null;
  } catch {
    return null;
  }
}
