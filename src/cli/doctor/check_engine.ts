import { findEngine } from "../../engine/find_engine.ts";
import { attempt, type Check, checkOf } from "./check.ts";

/** Milliseconds that Python is waited for. */
const PATIENCE = 15_000;

/**
 * Whether there is an interpreter, and vLLM in it. The version is read from the installed package's metadata: importing vLLM takes
 * many seconds.
 */
export async function checkEngine(env: Readonly<Record<string, string | undefined>>): Promise<Check> {
  const outcome = await attempt(() => findEngine(env));
  if ("error" in outcome) return checkOf("engine", outcome.error, "failed");
  const { path } = outcome.value;
  const script = "import importlib.util, importlib.metadata as m, sys\n" +
    "print(sys.version.split()[0])\n" +
    "print('' if importlib.util.find_spec('vllm') else 'absent')\n" +
    "print(next((d.version for d in m.distributions() if (d.metadata['Name'] or '').lower() == 'vllm'), ''))\n";
  try {
    const { success, stdout } = await new Deno.Command(path, {
      args: ["-c", script],
      stderr: "null",
      signal: AbortSignal.timeout(PATIENCE),
    }).output();
    const [python = "", absent = "", version = ""] = new TextDecoder().decode(stdout).split("\n");
    if (!success) throw new Error("it fails");
    if (absent !== "") {
      return {
        name: "engine",
        state: "failed",
        found: `${path} (Python ${python}) has no module vllm`,
        todo: "use an image with vLLM, or put its Python first on PATH",
      };
    }
    return {
      name: "engine",
      state: "ok",
      found: `vLLM ${version || "of no known version"}, ${path} (Python ${python})`,
    };
  } catch {
    return {
      name: "engine",
      state: "failed",
      found: `${path} does not run`,
      todo: "check that it is a working Python: run it with --version",
    };
  }
}
