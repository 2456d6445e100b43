import { didYouMean } from "../config/nearest.ts";
import { ACCELERATOR_NAMES, acceleratorName, typeOfAccelerator } from "../gpu/accelerators.ts";
import { pythonText } from "../values/python_spelling.ts";
import { type ConfigMap, type ConfigValue, isList, isNumberLiteral } from "../values/value.ts";
import { checkProfile } from "./check_profile.ts";
import { mapAt } from "./profile_content.ts";
import {
  METRICS,
  PRECISIONS,
  type Profile,
  PROFILE_TYPES,
  type ProfilePlace,
  type Reading,
  type SchemaFault,
} from "./types.ts";

/**
 * Reads a file's content, with the names of any generation and metadata words in any case. All unknown keys
 * share one warning.
 */
export function profileFromValue(content: ConfigMap, place: ProfilePlace): Reading<SchemaFault> {
  const metadata = lowerCase(mapAt(content, "metadata"));
  const aimId = place.kind === "general" ? null : textOrNull(content.get("aim_id"));
  const faults = checkProfile(metadata.size === 0 ? content : new Map([...content, ["metadata", metadata]]));
  if (place.kind === "model" && aimId === null) {
    faults.push({ path: [], atKey: true, reason: "the profile lacks aim_id" });
  }
  if (faults.length > 0) return { profile: null, faults, warnings: [] };
  const model = modelIn(metadata);
  const profile: Profile = {
    id: place.priority === 1 && aimId !== null ? `custom/${aimId}/${place.id.split("/").at(-1)}` : place.id,
    path: place.path,
    priority: place.priority,
    aimId,
    modelId: place.kind === "general" ? null : textOrNull(content.get("model_id")),
    metadata: {
      engine: textOrNull(metadata.get("engine")) ?? "",
      acceleratorType: oneOf(["gpu", "cpu"], metadata.get("accelerator_type") ?? typeOfAccelerator(model)),
      acceleratorModel: model,
      acceleratorCount: countIn(metadata),
      precision: oneOf(PRECISIONS, metadata.get("precision")),
      metric: oneOf(METRICS, metadata.get("metric")),
      type: oneOf(PROFILE_TYPES, metadata.get("type")),
      manualSelectionOnly: metadata.get("manual_selection_only") === true ||
        (metadata.get("type") === "unoptimized" && metadata.get("manual_selection_only") !== false),
      variant: textOrNull(metadata.get("variant")),
      primary: metadata.get("primary") === true,
      features: listIn(metadata.get("features")),
    },
    content,
  };
  return { profile, faults: [], warnings: warningsOf(content, metadata, profile, place.kind) };
}

const WORDS = ["engine", "accelerator_type", "precision", "metric", "type"];

function lowerCase(metadata: ConfigMap): Map<string, ConfigValue> {
  const lower = new Map(metadata);
  for (const word of WORDS) {
    const value = metadata.get(word);
    if (typeof value === "string") lower.set(word, value.toLowerCase());
  }
  return lower;
}

/** The accelerator's name; an unknown one as it is written. */
function modelIn(metadata: ConfigMap): string {
  const texts = ["accelerator_model", "gpu"].map((key) => pythonText(metadata.get(key) ?? null))
    .filter((text) => text !== "");
  const text = texts.find((one) => one.toUpperCase() !== "NONE") ?? texts[0] ?? "";
  return acceleratorName(text) ?? text;
}

function countIn(metadata: ConfigMap): number {
  const count = metadata.get("accelerator_count") ?? metadata.get("gpu_count") ?? null;
  return isNumberLiteral(count) ? count.value : 0;
}

const KNOWN = ["aim_id", "model_id", "metadata", "engine_args", "env_vars"];
/** Metadata names that the newest generation dropped. */
export const RETIRED = ["gpu", "gpu_count", "manual_selection_only"];
const KNOWN_METADATA = [
  ...WORDS,
  ...["accelerator_model", "accelerator_count", "primary", "variant", "features", "capabilities"],
  ...RETIRED,
];

function warningsOf(
  content: ConfigMap,
  metadata: ConfigMap,
  { metadata: { acceleratorModel, acceleratorCount } }: Profile,
  kind: ProfilePlace["kind"],
): SchemaFault[] {
  const warnings: SchemaFault[] = [];
  const warn = (path: SchemaFault["path"], reason: string) => warnings.push({ path, atKey: true, reason });
  const unknown = [
    ...[...content.keys()].filter((key) => !KNOWN.includes(key)).map((key) => [key]),
    ...[...metadata.keys()].filter((key) => !KNOWN_METADATA.includes(key)).map((key) => ["metadata", key]),
  ];
  const [first] = unknown;
  if (first !== undefined) {
    const meant = didYouMean(first.at(-1) ?? "", first.length === 1 ? KNOWN : KNOWN_METADATA);
    warn(first, `unknown keys are ignored: ${unknown.map((path) => path.join(".")).join(", ")}${meant}`);
  }
  const key = metadata.has("accelerator_model") ? "accelerator_model" : "gpu";
  if (acceleratorName(acceleratorModel) === null) {
    const meant = didYouMean(acceleratorModel, ACCELERATOR_NAMES);
    warn(["metadata", key], `${key} is ${JSON.stringify(acceleratorModel)}, an unknown accelerator${meant}`);
  }
  if (acceleratorCount < 1) {
    warn(["metadata"], "the count is 0: the profile fits no hardware, only AIM_PROFILE_ID selects it");
  }
  if (!["accelerator_type", "gpu", "gpu_count"].some((name) => metadata.has(name))) {
    warn(["metadata"], `accelerator_type is missing: assuming ${typeOfAccelerator(acceleratorModel)}`);
  }
  if (kind === "general" && content.has("aim_id")) {
    warn(["aim_id"], "aim_id is ignored: a general profile is for any model");
  }
  return warnings;
}

function textOrNull(value: ConfigValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function listIn(value: ConfigValue | undefined): string[] {
  return isList(value) ? value.filter((item) => typeof item === "string") : [];
}

function oneOf<const C extends string>(choices: readonly C[], value: ConfigValue | undefined): C {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new TypeError(`the schema let ${String(value)} pass`);
  return found;
}
