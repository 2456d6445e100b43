import { directoryBytes } from "../cache/files.ts";
import { pathOfPlace } from "../cache/resolve_model.ts";
import type { Config } from "../config/config.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { sourceOptions } from "../sources/source_options.ts";
import { type Manifest, totalBytes } from "../sources/manifest.ts";
import { readText } from "../sources/read_text.ts";
import type { Source } from "../sources/source.ts";
import { jsonOrNull } from "../values/json.ts";
import { CONFIGS, filesInCache, filesListed, type ModelFiles } from "./memory_fit.ts";
import type { ServingPlan } from "./serving_plan.ts";

/** How large a model is, or why nothing tells. */
export type ModelSize =
  | { readonly bytes: number; readonly files: ModelFiles }
  | { readonly bytes: null; readonly unknownBecause: string };

/** The size of a plan's model: of its files in the cache, else as its source says. */
export async function modelSize(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  plan: ServingPlan,
  signal: AbortSignal,
): Promise<ModelSize> {
  const { place, model } = plan;
  const files = await filesInCache(place);
  if (place.kind !== "missing") {
    const path = pathOfPlace(place);
    const ofOne = place.kind === "path" && place.gguf !== undefined;
    return {
      bytes: ofOne && files !== null
        ? files.sizes.values().reduce((sum, size) => sum + size, 0)
        : await directoryBytes(path),
      files: files ?? { sizes: new Map(), config: null, from: path },
    };
  }
  if (config.offline) return { bytes: null, unknownBecause: "HF_HUB_OFFLINE is on" };
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  try {
    // A model in the cache needs no source.
    const { openSource } = await import("../sources/open_source.ts");
    using source = openSource(model.ref, { ...sourceOptions(config, env), attempts: 1 });
    const manifest = await source.manifest({ signal: patience });
    return { bytes: totalBytes(manifest), files: await filesAt(source, manifest, patience) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const because = patience.aborted
      ? `its source did not answer within ${PATIENCE / 1000} s`
      : errorFrom(error, "asking its source").message;
    return { bytes: null, unknownBecause: because };
  }
}

/** What a source tells of a model's files, with its configuration: that says how much memory a token takes. */
async function filesAt(source: Source, manifest: Manifest, signal: AbortSignal): Promise<ModelFiles> {
  const config = CONFIGS.flatMap((name) => manifest.files.filter((file) => file.path === name))
    .find((file) => file.size <= LARGEST_CONFIG);
  return filesListed(
    manifest,
    config === undefined ? null : await readText(source, config, signal).then(jsonOrNull, () => null),
  );
}

/** Bytes of a configuration that is read. */
const LARGEST_CONFIG = 1 << 20;

/** Milliseconds that a dry run waits for a source: a size is not worth more. */
const PATIENCE = 1_000;
