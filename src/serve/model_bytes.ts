import { directoryBytes } from "../cache/files.ts";
import type { Config } from "../config/config.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import { openSource } from "../sources/open_source.ts";
import { sourceOptions } from "../sources/source_options.ts";
import { totalBytes } from "../sources/manifest.ts";
import type { ServingPlan } from "./serving_plan.ts";

/** Bytes of the model: as it lies in the cache, else as its source says; `null` where neither can tell. */
export async function modelBytes(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  plan: ServingPlan,
  signal: AbortSignal,
): Promise<number | null> {
  const { resolution, model } = plan;
  if (resolution.kind === "path") return await directoryBytes(resolution.path);
  if (resolution.kind === "hub") return await directoryBytes(resolution.snapshot);
  if (config.offline) return null;
  try {
    const source = await openSource(model.ref, sourceOptions(config, env));
    try {
      const revision = model.ref.kind === "hub" ? model.ref.revision ?? undefined : undefined;
      const patience = AbortSignal.any([signal, AbortSignal.timeout(SIZE_PATIENCE)]);
      return totalBytes(await source.manifest({ revision, signal: patience }));
    } finally {
      source.close();
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    log.warn(`the size of ${model.uri} is not known: ${errorFrom(error, "asking its source").message}`);
    return null;
  }
}

/** Milliseconds that a dry run waits for a source to tell the model's size. */
const SIZE_PATIENCE = 15_000;
