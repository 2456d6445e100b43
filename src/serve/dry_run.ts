import { directoryBytes } from "../cache/mod.ts";
import type { Config } from "../config/mod.ts";
import { errorFrom } from "../errors/mod.ts";
import { log } from "../log/mod.ts";
import { openSource, sourceOptions, totalBytes } from "../sources/mod.ts";
import { pythonJson, renderBashScript } from "../engine/mod.ts";
import { type ConfigValue, isNumberLiteral, type NumberLiteral, type Profile } from "../profiles/mod.ts";
import type { ServingPlan } from "./serving_plan.ts";

/**
 * What `dry-run --format json` prints: one line, an array of one object. AMD's AIM Engine operator reads `filename`, `profile` and
 * `models` out of the last JSON array in the pod's log.
 *
 * @param sizeBytes Bytes of the model; `null` where neither cache nor source can tell.
 */
export function dryRunJson(plan: ServingPlan, sizeBytes: number | null): string {
  const rest = JSON.stringify({
    models: [{ name: plan.model.name, source: plan.model.uri, size_gb: gib(sizeBytes) }],
    command: plan.argv,
    env: plan.env,
    resolution: plan.resolution,
  });
  // The profile is written apart: its numbers keep their spelling.
  return `[{"filename":${JSON.stringify(plan.profile.path)},"profile":${
    pythonJson(profileValue(plan.profile))
  },${rest.slice(1)}]`;
}

/** What `dry-run` prints: the profile as YAML with its path, then a bash script that starts the engine. */
export async function dryRunText(plan: ServingPlan): Promise<string> {
  const { stringify } = await import("../profiles/yaml/library.ts");
  const spelledNumber = {
    tag: "tag:yaml.org,2002:float",
    default: true,
    identify: (value: unknown) => isNumberLiteral(value as ConfigValue),
    resolve: (text: string) => text,
    stringify: ({ value }: { value: unknown }) => (value as NumberLiteral).text,
  };
  const value = new Map([["filename", plan.profile.path], ...profileValue(plan.profile)]);
  const yaml = stringify(value, { compat: "yaml-1.1", lineWidth: 0, customTags: [spelledNumber] });
  return `${yaml}---\n${renderBashScript({ env: plan.env, argv: plan.argv })}`;
}

/** GiB, rounded to two places. */
function gib(bytes: number | null): number | null {
  return bytes === null ? null : Math.round(bytes / 2 ** 30 * 100) / 100;
}

/** A profile under the names that its file has. */
function profileValue(profile: Profile): Map<string, ConfigValue> {
  const { metadata } = profile;
  return new Map<string, ConfigValue>([
    ["aim_id", profile.aimId],
    ["model_id", profile.modelId],
    [
      "metadata",
      new Map<string, ConfigValue>([
        ["engine", metadata.engine],
        ["gpu", metadata.gpu],
        ["precision", metadata.precision],
        ["gpu_count", { value: metadata.gpuCount, text: String(metadata.gpuCount) }],
        ["metric", metadata.metric],
        ["manual_selection_only", metadata.manualSelectionOnly],
        ["type", metadata.type],
      ]),
    ],
    ["engine_args", profile.engineArgs],
    ["env_vars", profile.envVars],
  ]);
}

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
