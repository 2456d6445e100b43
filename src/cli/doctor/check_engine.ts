import type { Config } from "../../config/config.ts";
import { VersionTable } from "../../engine/engine_table.ts";
import { askProgram } from "../../os/run_program.ts";
import { servingEngine } from "../../serve/serving_engine.ts";
import { attempt, type Check, check, checkOf } from "./check.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether the engine is installed, in which version, and whether its program runs. */
export async function checkEngine(config: Config, env: Environment): Promise<Check> {
  const outcome = await attempt(() => servingEngine(config, env, "serve"));
  if ("error" in outcome) return checkOf("engine", outcome.error, "failed");
  const { name, program, version } = outcome.value;
  const path = program?.path ?? "";
  const printed = (await askProgram(path, ["--version"], env))?.split("\n", 1)[0]?.slice(0, 80);
  if (printed === undefined) {
    return check("engine", "failed", `${path} does not run`, "check that it works: run it with --version");
  }
  const label = name === "vllm" ? "vLLM" : name;
  const newest = new VersionTable(null).newest;
  const found = version === null
    ? `${label} version unknown, ${path} (${printed}); arguments are checked against vLLM ${newest}`
    : `${label} ${version.text}, ${path} (${printed})`;
  return check("engine", "ok", found);
}
