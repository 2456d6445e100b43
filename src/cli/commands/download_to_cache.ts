import { cachePaths } from "../../cache/cache_paths.ts";
import { lstatOrNull } from "../../cache/files.ts";
import { nearestInCache } from "../../cache/names_in_cache.ts";
import { AimError } from "../../errors/aim_error.ts";
import { bring, type CachePlace, placementOf } from "../../download/bring.ts";
import { inCache } from "../../download/in_cache.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { log } from "../../log/logger.ts";
import type { Profile } from "../../profiles/types.ts";
import { memoryFit } from "../../serve/memory_fit.ts";
import type { Manifest } from "../../sources/manifest.ts";
import { parseModelRef } from "../../sources/model_ref.ts";
import { profileModel } from "../../serve/select_profile_for.ts";
import type { Command, CommandContext } from "../command.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import {
  DOWNLOAD_FLAGS,
  DOWNLOAD_SETTINGS,
  downloadOptions,
  progressMode,
  revisionOf,
  text,
} from "../download_flags.ts";
import { downloadResult } from "../download_result.ts";
import { startProgress } from "../start_progress.ts";

/** `aim download-to-cache`: bring a model into one of the two cache layouts. */
export const downloadToCache: Command<GpuInventory | null> = {
  name: "download-to-cache",
  summary: "download a model into the cache",
  positionals: [{ name: "MODEL", required: false }],
  model: "source",
  settings: [...SELECTION_SETTINGS, ...DOWNLOAD_SETTINGS],
  flags: [
    {
      name: "use-hf-cache",
      type: "boolean",
      help: "store it in the Hugging Face cache instead of a local directory",
    },
    ...DOWNLOAD_FLAGS,
  ],
  examples: [
    {
      command:
        "aim download-to-cache --model meta-llama/Llama-3.1-8B-Instruct --gpu-model MI300X --precision fp16",
      does: "the model that the profile for this GPU and precision loads",
    },
    {
      command: "aim download-to-cache --model-id hf://mistralai/Mistral-7B-v0.1",
      does: "exactly this model",
    },
    {
      command:
        "aim download-to-cache --model-id s3://bucket/deep/path/model --model-name custom-org/my-model",
      does: "from S3, under a name of your own",
    },
  ],
  permissions: { write: true, net: true, run: false, ffi: false },
  // Naming the model bypasses profiles, so the hardware does not matter.
  prepare: async (context) =>
    text(context.flags["model-id"]) === undefined ? await detectHardware(context) : null,
  async run(context) {
    const { config, env, flags, prepared, print } = context;
    const layout = flags["use-hf-cache"] === true ? "hub" : "local";
    const { profile, ...wanted } = await wantedModel(context, prepared);
    const place: CachePlace = { layout, ...wanted };
    const pinned = place.ref.kind === "hub" ? place.ref.revision : null;
    const options = downloadOptions(context);
    const revision = revisionOf(options.revision, pinned);
    const placement = placementOf(config, place, revision);
    const offline = config.offline ? await inCache(placement, revision) : null;
    if (offline !== null) {
      print(downloadResult(context, { ...offline, model: placement.name }));
      return 0;
    }
    if (config.offline && await lstatOrNull(placement.directory) === null) {
      await suggest(context, placement.name);
    }
    const progress = startProgress(context, progressMode(context));
    try {
      const report = await bring(config, env, place.ref, placement, {
        ...options,
        revision,
        onEvent: progress.onEvent,
        onListed: (manifest) => warnOfMemory(prepared, profile, manifest),
      });
      progress.finish(report);
      print(downloadResult(context, { ...report, model: placement.name }));
    } finally {
      progress.close();
    }
    return 0;
  },
};

async function wantedModel(
  { config, flags }: CommandContext<GpuInventory | null>,
  gpus: GpuInventory | null,
): Promise<Omit<CachePlace, "layout"> & { readonly profile: Profile | null }> {
  const given = text(flags["model-id"]);
  if (given !== undefined) {
    return { ref: parseModelRef(given), modelName: config.modelName, profile: null };
  }
  if (gpus === null) throw new AimError("usage", "no model is named", { hint: "give --model-id" });
  return await profileModel(config, gpus);
}

/** @throws {AimError} `not-found` where the cache holds a model of nearly this name. */
async function suggest({ config }: CommandContext<GpuInventory | null>, name: string): Promise<void> {
  const near = await nearestInCache(cachePaths(config), name);
  if (near === null) return;
  throw new AimError("not-found", `${name} is not in the cache, and HF_HUB_OFFLINE (--offline) is on`, {
    hint: `the cache holds ${near}: did you mean that?`,
  });
}

/** Its configuration is not here yet: weights alone are compared with the GPUs that the profile is for. */
function warnOfMemory(gpus: GpuInventory | null, profile: Profile | null, { files, source }: Manifest): void {
  if (gpus === null || profile === null) return;
  const sizes = new Map<string, number>(files.map((file) => [file.path, file.size]));
  const fit = memoryFit(gpus, profile.engineArgs, { sizes, config: null, from: source });
  if (fit !== null && fit.state !== "fits") log.warn(fit.summary);
}
