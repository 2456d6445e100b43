import { renderBashScript } from "../engine/bash_script.ts";
import type { Profile } from "../profiles/types.ts";
import type { ConfigValue } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";
import { writeYaml } from "../values/write_yaml.ts";
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
    script: renderBashScript({ env: plan.env, argv: plan.argv }),
    command: plan.argv,
    env: plan.env,
    resolution: plan.resolution,
  });
  // The profile is written apart: its numbers keep their spelling.
  const { filename, path } = fileOf(plan.profile);
  return `[{"filename":${JSON.stringify(filename)},"path":${JSON.stringify(path)},"profile":${
    pythonJson(profileValue(plan.profile))
  },${rest.slice(1)}]`;
}

/** What `dry-run` prints: the profile as YAML with its path, then a bash script that starts the engine. */
export function dryRunText(plan: ServingPlan): string {
  const value = new Map<string, ConfigValue>([
    ...Object.entries(fileOf(plan.profile)),
    ...profileValue(plan.profile),
  ]);
  return `${writeYaml(value)}---\n${renderBashScript({ env: plan.env, argv: plan.argv })}`;
}

/** Under the names that AIM's Python runtime has for them. */
function fileOf({ path }: Profile): { filename: string; path: string } {
  return { filename: path.slice(path.lastIndexOf("/") + 1), path };
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
