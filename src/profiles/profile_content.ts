import { pythonText } from "../values/python_spelling.ts";
import { readPlainYaml } from "../values/read_plain_yaml.ts";
import { type ConfigMap, type ConfigValue, isMap, numberLiteral } from "../values/value.ts";
import type { Profile, ProfilePlace } from "./types.ts";

export function engineArgsOf({ content }: Profile): ConfigMap {
  return mapAt(content, "engine_args");
}

/** A profile's variables. AIM's Python runtime sets them to `str()` of the YAML value. */
export function envVarsOf({ content }: Profile): ReadonlyMap<string, string> {
  return new Map([...mapAt(content, "env_vars")].map(([name, value]) => [name, pythonText(value)]));
}

/** A profile in an executable: what selection uses, computed at build time, and the file's text. */
export interface PackedProfile extends Pick<Profile, "aimId" | "modelId" | "metadata"> {
  readonly text: string;
}

/** The profile. Its text is parsed when its content is needed: of many profiles, only the chosen one's. */
export function unpackProfile(
  { text, ...known }: PackedProfile,
  { id, path, priority }: ProfilePlace,
): Profile {
  let content: ConfigMap | undefined;
  return {
    ...known,
    ...{ id, path, priority },
    get content() {
      return content ??= readPlainYaml(text) ?? new Map();
    },
  };
}

/**
 * A profile's file for programs of any generation: its content, with the metadata names that it lacks filled
 * in (new names in an old file, old names in a new one).
 */
export function profileValue({ content, metadata }: Profile): ConfigMap {
  const filled = new Map<string, ConfigValue>(mapAt(content, "metadata"));
  const { acceleratorType, acceleratorModel, manualSelectionOnly } = metadata;
  const count = numberLiteral(metadata.acceleratorCount);
  const names: Readonly<Record<string, ConfigValue>> = {
    accelerator_type: acceleratorType,
    accelerator_model: acceleratorModel,
    accelerator_count: count,
    // Processors have no old names.
    ...(acceleratorType === "gpu" ? { gpu: acceleratorModel, gpu_count: count } : {}),
    manual_selection_only: manualSelectionOnly,
  };
  for (const [name, value] of Object.entries(names)) if (!filled.has(name)) filled.set(name, value);
  return new Map<string, ConfigValue>([...content, ["metadata", filled]]);
}

/** A mapping in a profile's file; an empty one if it is missing. */
export function mapAt(map: ConfigMap, key: string): ConfigMap {
  const value = map.get(key);
  return isMap(value) ? value : new Map<string, never>();
}
