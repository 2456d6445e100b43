import type { Config } from "../config/config.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import type { Manifest } from "../sources/manifest.ts";
import { readText } from "../sources/read_text.ts";
import type { Source } from "../sources/source.ts";
import { sourceOptions } from "../sources/source_options.ts";
import { jsonOrNull } from "../values/json.ts";
import { CONFIGS } from "../cache/judge/weight_files.ts";
import { filesInCache, filesListed, type ModelFiles } from "./memory_fit.ts";
import type { ServingPlan } from "./serving_plan.ts";

/** The files of a plan's model: in the cache, else as its source lists them. */
export async function modelFiles(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  { place, model }: ServingPlan,
  signal: AbortSignal,
): Promise<ModelFiles | { readonly unknownBecause: string }> {
  if (place.kind !== "missing") return await filesInCache(place) ?? { unknownBecause: "it cannot be read" };
  if (config.offline) return { unknownBecause: "HF_HUB_OFFLINE is on" };
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  try {
    // A model in the cache needs no source.
    const { openSource } = await import("../sources/open_source.ts");
    using source = openSource(model.ref, { ...sourceOptions(config, env), attempts: 1 });
    const manifest = await source.manifest({ signal: patience });
    return filesListed(manifest, await configAt(source, manifest, patience));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const unknownBecause = patience.aborted
      ? `its source did not respond within ${PATIENCE / 1000} s`
      : errorFrom(error, "querying its source").message;
    return { unknownBecause };
  }
}

/** The model's configuration, which determines how much memory a token takes. */
async function configAt(source: Source, { files }: Manifest, signal: AbortSignal): Promise<unknown> {
  const config = CONFIGS.flatMap((name) => files.filter((file) => file.path === name))
    .find((file) => file.size <= LARGEST_CONFIG);
  return config === undefined ? null : await readText(source, config, signal).then(jsonOrNull, () => null);
}

/** The largest configuration that is read, in bytes. */
const LARGEST_CONFIG = 1 << 20;

/** How long a dry run waits for a source, in milliseconds: a size is not worth a longer wait. */
const PATIENCE = 1_000;
