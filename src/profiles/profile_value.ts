import { type ConfigMap, type ConfigValue, numberLiteral } from "../values/value.ts";
import type { Profile } from "./types.ts";

/** A profile under the names that its file has, as AMD's programs read it. */
export function profileValue(profile: Profile): ConfigMap {
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
        ["gpu_count", numberLiteral(metadata.gpuCount)],
        ["metric", metadata.metric],
        ["manual_selection_only", metadata.manualSelectionOnly],
        ["type", metadata.type],
      ]),
    ],
    ["engine_args", profile.engineArgs],
    ["env_vars", profile.envVars],
  ]);
}
