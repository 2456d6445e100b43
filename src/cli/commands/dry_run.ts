import { findEngine } from "../../engine/find_engine.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { chooseServing, planServing, resolveServing } from "../../serve/serving_plan.ts";
import { noGpu } from "../../serve/select_profile_for.ts";
import { log } from "../../log/logger.ts";
import { dryRunJson, dryRunText } from "../../serve/dry_run.ts";
import type { Command } from "../command.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";

/** `aim dry-run`: everything that serving would do, without downloading or executing. */
export const dryRun: Command<GpuInventory> = {
  name: "dry-run",
  summary: "show what serve would do, without downloading or executing",
  positionals: [{ name: "MODEL", required: false }],
  model: "served",
  takesEngineWords: true,
  settings: [...SELECTION_SETTINGS, "engineArgs", "port", "cachePath", "hfEndpoint", "offline"],
  flags: [{
    name: "format",
    type: "string",
    value: "FORMAT",
    choices: ["yaml", "json"],
    default: "yaml",
    help: "yaml: the profile and a bash script; json: one array for programs, with the model's size",
  }],
  emptyJson: "[]",
  examples: [
    {
      command: "aim dry-run meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X",
      does: "the command line on one MI300X",
    },
    {
      command: "aim dry-run --format json meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X",
      does: "the same for programs",
    },
    {
      command: "aim dry-run meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X | sed -n '/^#!/,$p'",
      does: "the script alone",
    },
  ],
  // The model's size is asked of its source for --format json.
  permissions: { write: false, net: true, run: false, ffi: false },
  netOnlyWith: { flag: "format", value: "json" },
  prepare: detectHardware,
  async run(context) {
    const { config, env, flags, prepared, print } = context;
    // Without a GPU a reader still sees where the model lies and what a guess would run; a program gets no guesses.
    const choice = await chooseServing(
      config,
      prepared,
      flags.format === "json" ? "serve" : "show",
      context.engineWords,
    );
    const resolution = await resolveServing(config, choice);
    const plan = planServing(config, choice, resolution, findEngine(env)?.name ?? "python3");
    if (flags.format === "json") {
      const { modelBytes } = await import("../../serve/model_bytes.ts");
      print(`${dryRunJson(plan, await modelBytes(config, env, plan, context.signal))}\n`);
    } else print(dryRunText(plan));
    if (choice.guessed) {
      log.warn(`no GPU is known; what is shown is for ${choice.profile.metadata.gpu}`);
      throw noGpu(prepared);
    }
    return 0;
  },
};
