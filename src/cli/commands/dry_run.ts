import type { GpuInventory } from "../../gpu/types.ts";
import { chooseServing, planServing } from "../../serve/serving_plan.ts";
import { resolveServing } from "../../serve/served_model.ts";
import { servingEngine } from "../../serve/serving_engine.ts";
import { log } from "../../log/logger.ts";
import { noGpu } from "../../serve/select_profile_for.ts";
import { takeInventory } from "../../gpu/take_inventory.ts";
import { modelSize } from "../../serve/model_size.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { dryRunJson, dryRunScript, dryRunText, withSecrets } from "../dry_run_report.ts";
import { explainPlan } from "../explain_plan.ts";
import { choiceFlag, command, flag } from "../define.ts";

export const dryRun = command<GpuInventory>({
  usage: "dry-run [MODEL]",
  summary: "show what serve would do, without downloading or executing",
  model: "served",
  takesEngineWords: true,
  settings: [...SELECTION_SETTINGS, "engineArgs", "port", "cachePath", "hfEndpoint", "offline"],
  flags: [
    choiceFlag(
      "--format FORMAT",
      "yaml: why, the profile and the script; json: the same for programs; script: only the script",
      ["yaml", "json", "script"],
    ),
    flag(
      "--engine-version VERSION",
      "fit the engine's arguments to this version instead of the installed one",
    ),
    flag("--show-secrets", "print keys and tokens instead of the names of their variables"),
  ],
  emptyJson: "[]",
  examples: {
    "aim dry-run meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X":
      "profile, model and command line on one MI300X",
    "aim dry-run meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X -- --max-model-len 8192":
      "with your own argument for vLLM",
    "aim dry-run meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X --format script > serve.sh":
      "only the script",
  },
  // The size of a model that is not cached comes from its source.
  permissions: { net: true },
  prepare: detectHardware,
  async run(context) {
    const { config, env, flags, prepared, print } = context;
    const { format } = flags;
    // People see what closed GPUs, or a guess, would run; programs get no guesses.
    const closed = prepared.model === null && prepared.gpus.length > 0;
    const [gpus, need] = format !== "yaml"
      ? [prepared, "serve"] as const
      : [closed ? asIfOpen(prepared) : prepared, "show"] as const;
    const asIf = typeof flags["engine-version"] === "string" ? flags["engine-version"] : null;
    const engine = await servingEngine(config, env, "show", asIf);
    const { engineWords } = context;
    const choice = await chooseServing({ config, env, gpus, engine, need, engineWords });
    const place = await resolveServing(config, choice);
    const plan = planServing(config, choice, place);
    const report = flags["show-secrets"] === true ? withSecrets(plan) : plan;
    const runnable = !choice.guessed && !closed;
    if (format === "script") {
      print(dryRunScript(report));
      return 0;
    }
    const size = await modelSize(config, env, plan, context.signal);
    const explanation = await explainPlan(config, plan, size, gpus);
    if (explanation.memory !== null && explanation.memory.state !== "fits") {
      log.warn(explanation.memory.summary);
    }
    print(
      format === "json" ? `${dryRunJson(report, explanation)}\n` : dryRunText(report, explanation, runnable),
    );
    if (!runnable) throw noGpu(prepared);
    return 0;
  },
});

function asIfOpen({ source, gpus }: GpuInventory): GpuInventory {
  const open = gpus.map((gpu) => ({ ...gpu, visible: true, hiddenBecause: null }));
  return takeInventory(source, open, { warnings: [], reasons: [] });
}
