import { directoryBytes } from "../cache/files.ts";
import type { Config } from "../config/config.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { openSource } from "../sources/open_source.ts";
import { sourceOptions } from "../sources/source_options.ts";
import { totalBytes } from "../sources/manifest.ts";
import type { ServingPlan } from "./serving_plan.ts";

/** How large a model is, or why nothing tells. */
export type ModelSize =
  /** `files` is `null` for a model in the cache. */
  | { readonly bytes: number; readonly files: number | null }
  | { readonly bytes: null; readonly unknownBecause: string };

/** The size of a plan's model: of its files in the cache, else as its source says. */
export async function modelSize(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  plan: ServingPlan,
  signal: AbortSignal,
): Promise<ModelSize> {
  const { resolution, model } = plan;
  if (resolution.kind !== "missing") {
    const place = resolution.kind === "path" ? resolution.path : resolution.snapshot;
    return { bytes: await directoryBytes(place), files: null };
  }
  if (config.offline) return { bytes: null, unknownBecause: "HF_HUB_OFFLINE is on" };
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  try {
    const source = await openSource(model.ref, sourceOptions(config, env));
    try {
      const revision = model.ref.kind === "hub" ? model.ref.revision ?? undefined : undefined;
      const manifest = await source.manifest({ revision, signal: patience });
      return { bytes: totalBytes(manifest), files: manifest.files.length };
    } finally {
      source.close();
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const because = patience.aborted
      ? `its source did not answer within ${PATIENCE / 1000} s`
      : errorFrom(error, "asking its source").message;
    return { bytes: null, unknownBecause: because };
  }
}

/** Milliseconds that a dry run waits for a source. */
const PATIENCE = 10_000;
