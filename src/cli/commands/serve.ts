import type { GpuInventory } from "../../gpu/types.ts";
import { serve as serveModel } from "../../serve/serve.ts";
import type { Command } from "../command.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { DOWNLOAD_SETTINGS } from "../download_flags.ts";

/** `aim serve`: select, resolve, download if missing, become the engine. */
export const serve: Command<GpuInventory> = {
  name: "serve",
  summary: "serve the model: select a profile, find or download the model, become the engine",
  positionals: [],
  settings: [...SELECTION_SETTINGS, "engineArgs", "port", ...DOWNLOAD_SETTINGS],
  flags: [],
  examples: [
    { command: "aim serve --model meta-llama/Llama-3.1-8B-Instruct", does: "serve a model of the hub" },
    {
      command: "aim serve --model s3://models/org/llama-7b --port 8080",
      does: "serve from S3, credentials from the environment",
    },
    {
      command: "aim serve --model /models/llama --engine-args '{\"max-model-len\": 8192}'",
      does: "serve a directory",
    },
  ],
  permissions: { write: true, net: true, run: true, ffi: true },
  prepare: detectHardware,
  async run(context) {
    const { config, env, prepared } = context;
    return await serveModel({
      config,
      env,
      gpus: prepared,
      get signal() {
        return context.signal;
      },
      openProgress: async () => (await import("../start_progress.ts")).startProgress(context, "auto"),
    });
  },
};
