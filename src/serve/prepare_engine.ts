import { cachePaths } from "../cache/cache_paths.ts";
import type { ModelPlace } from "../cache/types.ts";
import { compileCaches } from "../engine/compile_caches.ts";
import { copyAiterKernels } from "../engine/copy_aiter_kernels.ts";
import { log } from "../log/logger.ts";
import { servingFiles } from "../download/serving_files.ts";
import { AimError } from "../errors/aim_error.ts";
import { filesInCache, type ModelFiles, unsafeOf, warnOfMemory } from "./memory_fit.ts";
import type { ServingChoice, ServingInput } from "./serving_plan.ts";

/** Directories for the engine's compiled code, which the next start uses. None without a cache. */
export async function compiledCode(
  { config, env }: ServingInput,
  { engine, profile, env: planned }: ServingChoice,
): Promise<Readonly<Record<string, string>>> {
  if (engine.package !== "vllm") return {};
  const key = {
    accelerator: profile.metadata.acceleratorModel,
    engineVersion: engine.version?.text ?? null,
    image: env.AIM_BASE_IMAGE_REF || env.AIM_UPSTREAM_IMAGE_REF || null,
  };
  return await compileCaches(cachePaths(config).root, key, { ...env, ...planned });
}

/** Kernels of the GPU that were compiled ahead, if the image has some. */
export async function copyKernels({ env, gpus }: ServingInput, { engine }: ServingChoice): Promise<void> {
  if (!engine.aiterKernels || gpus.model === null || engine.program === null) return;
  const { files, warning } = await copyAiterKernels(gpus.model, engine.program.path, env);
  if (warning !== null) log.warn(warning);
  if (files > 0) log.info(`copied ${files} prebuilt AITER kernels for ${gpus.model}`);
}

/**
 * Looks at the files that the engine would load, and warns of too little memory.
 *
 * @throws {AimError} `integrity` if `AIM_REFUSE_UNSAFE` refuses what the engine would load.
 */
export async function checkFiles(
  { config, gpus }: Pick<ServingInput, "config" | "gpus">,
  { args }: Pick<ServingChoice, "args">,
  place: ModelPlace,
): Promise<void> {
  const files = await filesInCache(place);
  if (files === null) return;
  if (config.refuseUnsafe) refuseUnsafe(files);
  warnOfMemory(gpus, args, files);
}

/** Pickles that an engine would load, and code of the model's own. */
function refuseUnsafe({ sizes, config, from }: ModelFiles): void {
  const isServed = servingFiles([...sizes.keys()]);
  const served = new Map([...sizes].filter(([path]) => isServed(path)));
  const words = unsafeOf({ sizes: served, config, from });
  if (words === null) return;
  throw new AimError("integrity", `${from} is refused, since AIM_REFUSE_UNSAFE is on: ${words}`, {
    hint: "use a model in safetensors without code of its own, or unset AIM_REFUSE_UNSAFE",
  });
}
