import { renderBashScript } from "../../engine/bash_script.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { chooseServing, planServing } from "../../serve/serving_plan.ts";
import { servingEngine } from "../../engine/serving_engine.ts";
import { resolveServing } from "../../serve/served_model.ts";
import { log } from "../../log/logger.ts";
import { noGpu } from "../../serve/select_profile_for.ts";
import { takeInventory } from "../../gpu/take_inventory.ts";
import { modelFiles } from "../../serve/model_files.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { dryRunJson, dryRunText, explainPlan, withSecrets } from "../dry_run_report.ts";
import { command, text } from "../command.ts";

export const dryRun = command<GpuInventory>({
  usage: "dry-run [MODEL]",
  summary: "show what serve would do, without downloading or executing",
  model: "served",
  takesEngineWords: true,
  settings: [...SELECTION_SETTINGS, "engineArgs", "port", "cachePath", "hfEndpoint", "offline"],
  flags: {
    "--format yaml|json|script":
      "yaml: reasons, profile and script; json: the same and more; script: only the script",
    "--engine-version VERSION": "adapt the engine's arguments to this version, not the installed one",
    "--show-secrets": "print keys and tokens instead of the names of their variables",
  },
  emptyJson: "[]",
  examples: {
    "aim dry-run meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X":
      "profile, model and command line on one MI300X",
    "aim dry-run meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X -- --max-model-len 8192":
      "with an argument for vLLM",
    "aim dry-run meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X --format script > serve.sh":
      "only the script",
  },
  // Asks the source for the size of a model that is not cached.
  permissions: { net: true },
  prepare: detectHardware,
  async run(context, found) {
    const { config, env, engineWords, flags, print } = context;
    const { format } = flags;
    // YAML is for people: it shows what inaccessible GPUs, or a guess, would run. Programs get no guesses.
    const closed = found.model === null && found.gpus.length > 0;
    const [gpus, need] = format !== "yaml"
      ? [found, "serve"] as const
      : [closed ? asIfOpen(found) : found, "show"] as const;
    const engine = await servingEngine(config, env, "show", text(flags["engine-version"]) ?? null);
    const choice = await chooseServing({ config, env, gpus, engineWords }, engine, need);
    const plan = planServing(config, choice, await resolveServing(config, choice.model));
    const report = flags["show-secrets"] === true ? withSecrets(plan) : plan;
    if (format === "script") return print(renderBashScript(report.shown));
    const runnable = !choice.guessed && !closed;
    const files = await modelFiles(config, env, plan, context.signal);
    const explanation = await explainPlan(config, plan, files, gpus);
    const { memory } = explanation;
    if (memory !== null && memory.state !== "fits") log.warn(memory.summary);
    const asJson = format === "json";
    print(asJson ? `${dryRunJson(report, explanation)}\n` : dryRunText(report, explanation, runnable));
    if (!runnable) throw noGpu(found);
  },
});

function asIfOpen({ source, gpus }: GpuInventory): GpuInventory {
  const open = gpus.map((gpu) => ({ ...gpu, visible: true, hiddenBecause: null }));
  return takeInventory(source, open);
}
