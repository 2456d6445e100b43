import type { ModelPlace } from "../cache/types.ts";
import { servingFiles } from "../download/serving_files.ts";
import { AimError } from "../errors/aim_error.ts";
import { filesInCache, type ModelFiles, unsafeOf, warnOfMemory } from "./memory_fit.ts";
import type { ServingChoice, ServingInput } from "./serving_plan.ts";

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
