import { settingsIn } from "../../config/settings.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { serve as serveModel } from "../../serve/serve.ts";
import { jsonReport } from "../output.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { startProgress } from "../progress.ts";
import { DOWNLOAD_SETTINGS } from "../download_flags.ts";
import { command } from "../command.ts";

export const serve = command<GpuInventory>({
  usage: "serve [MODEL]",
  summary: "serve the model: select a profile, find or download the model, become the engine",
  model: "served",
  takesEngineWords: true,
  settings: [...SELECTION_SETTINGS, "engineArgs", "port", ...DOWNLOAD_SETTINGS, ...settingsIn("adapter")],
  flags: {
    "--timings": "before the engine starts, print the time of each step as a line of JSON on standard error",
  },
  examples: {
    "aim serve meta-llama/Llama-3.1-8B-Instruct": "serve a model of the hub",
    "aim serve s3://models/org/llama-7b --port 8080": "serve from S3, credentials from the environment",
    "aim serve /models/llama -- --max-model-len 8192": "serve a directory, with an argument for vLLM",
  },
  permissions: { write: true, net: true, run: true, ffi: true },
  prepare: detectHardware,
  async run(context, gpus) {
    const { config, env, flags } = context;
    return await serveModel({
      config,
      env,
      gpus,
      engineWords: context.engineWords,
      get signal() {
        return context.signal;
      },
      ...(flags.timings === true && {
        onTimings: (timings) => context.writeError(jsonReport({ timings })),
      }),
      openProgress: () => startProgress(context, { model: config.modelId ?? config.aimId ?? "" }),
    });
  },
});
