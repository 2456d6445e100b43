import type { Config } from "../../config/config.ts";
import { withoutSecrets } from "../../log/secret_names.ts";
import { releasesOf } from "../../engine/engine_table.ts";
import { VLLM_TABLE } from "../../engine/vllm_table.generated.ts";
import { servingEngine } from "../../serve/serving_engine.ts";
import { attempt, type Check, check, checkOf } from "./check.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Milliseconds that the engine has to print its version. */
const PATIENCE = 15_000;

/** Whether the engine is installed, in which version, and whether its program runs. */
export async function checkEngine(config: Config, env: Environment): Promise<Check> {
  const outcome = await attempt(() => servingEngine(config, env, "serve"));
  if ("error" in outcome) return checkOf("engine", outcome.error, "failed");
  const { name, program, version } = outcome.value;
  const path = program?.path ?? "";
  const printed = await versionOf(path, env);
  if (printed === null) {
    return check("engine", "failed", `${path} does not run`, "check that it works: run it with --version");
  }
  const label = name === "vllm" ? "vLLM" : name;
  const newest = releasesOf(VLLM_TABLE).at(-1);
  const found = version === null
    ? `${label} version unknown, ${path} (${printed}); arguments are checked against vLLM ${newest}`
    : `${label} ${version.text}, ${path} (${printed})`;
  return check("engine", "ok", found);
}

/** The first line that a program prints with `--version`; `null` if it does not run. It gets no secrets. */
async function versionOf(path: string, env: Environment): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(path, {
      args: ["--version"],
      clearEnv: true,
      env: withoutSecrets(env),
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(PATIENCE),
    }).output();
    return success ? new TextDecoder().decode(stdout).split("\n")[0]?.trim().slice(0, 80) ?? "" : null;
  } catch {
    return null;
  }
}
