import type { checkSchema, SchemaFault } from "./check_schema.ts";
import { type ConfigMap, type ConfigValue, isMap, isNumberLiteral } from "../values/value.ts";
import { METRICS, PRECISIONS, type Profile, PROFILE_TYPES } from "./types.ts";

/** Where a profile file lies, as far as it says what the profile is. */
export type ProfilePlace = Pick<Profile, "id" | "path" | "origin" | "priority"> & {
  /** Which schema holds; `either`: the one that the content looks like. */
  readonly kind: "general" | "model" | "either";
};

/** A profile, or why a file's content is none. */
export type ProfileReading =
  | { readonly kind: "profile"; readonly profile: Profile }
  | { readonly kind: "faults"; readonly faults: readonly SchemaFault[] };

/**
 * Makes a profile of a file's content.
 *
 * Environment values that are not text become what Python's `str()` makes of them, which is what AIM's Python runtime
 * sets: numbers as they are spelled, `true` becomes `True`.
 *
 * @param check What holds the content to its schema; `null`: it is known to fit.
 */
export function profileFromValue(
  content: ConfigMap,
  place: ProfilePlace,
  check: typeof checkSchema | null,
): ProfileReading {
  const faults = check === null ? [] : check(schemaFor(place, content), content);
  if (faults.length > 0) return { kind: "faults", faults };
  const metadata = mapAt(content, "metadata");
  const { kind: _, ...own } = place;
  return {
    kind: "profile",
    profile: {
      ...own,
      aimId: textOrNull(content.get("aim_id")),
      modelId: textOrNull(content.get("model_id")),
      metadata: {
        engine: textOrNull(metadata.get("engine")) ?? "",
        gpu: textOrNull(metadata.get("gpu")) ?? "",
        precision: oneOf(PRECISIONS, metadata.get("precision")),
        gpuCount: numberOf(metadata.get("gpu_count")),
        metric: oneOf(METRICS, metadata.get("metric")),
        manualSelectionOnly: metadata.get("manual_selection_only") === true,
        type: oneOf(PROFILE_TYPES, metadata.get("type")),
      },
      engineArgs: mapAt(content, "engine_args"),
      envVars: new Map([...mapAt(content, "env_vars")].map(([name, value]) => [name, pythonText(value)])),
    },
  };
}

function schemaFor(place: ProfilePlace, content: ConfigMap): "general" | "model" {
  if (place.kind !== "either") return place.kind;
  const named = content.has("aim_id") || content.has("model_id");
  return !named && mapAt(content, "metadata").get("type") === "general" ? "general" : "model";
}

function mapAt(map: ConfigMap, key: string): ConfigMap {
  const value = map.get(key);
  return value !== undefined && isMap(value) ? value : new Map();
}

function textOrNull(value: ConfigValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function numberOf(value: ConfigValue | undefined): number {
  return value !== undefined && isNumberLiteral(value) ? value.value : 0;
}

function oneOf<const C extends string>(choices: readonly C[], value: ConfigValue | undefined): C {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new TypeError(`the schema let ${String(value)} pass`);
  return found;
}

function pythonText(value: ConfigValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return value !== null && isNumberLiteral(value) ? value.text : "";
}
