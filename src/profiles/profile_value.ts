import { type ConfigMap, type ConfigValue, isMap, numberLiteral } from "../values/value.ts";
import type { Profile } from "./types.ts";

/**
 * A profile's file as programs of any generation read it: its own content, and in its metadata the names that
 * it leaves out, new ones for an old file and old ones for a new file.
 */
export function profileValue({ content, metadata }: Profile): ConfigMap {
  const written = content.get("metadata");
  const filled = new Map<string, ConfigValue>(written !== undefined && isMap(written) ? written : []);
  const fill = (name: string, value: ConfigValue) => filled.has(name) || filled.set(name, value);
  fill("accelerator_type", metadata.acceleratorType);
  fill("accelerator_model", metadata.acceleratorModel);
  fill("accelerator_count", numberLiteral(metadata.acceleratorCount));
  // Processors have no old names.
  if (metadata.acceleratorType === "gpu") {
    fill("gpu", metadata.acceleratorModel);
    fill("gpu_count", numberLiteral(metadata.acceleratorCount));
  }
  fill("manual_selection_only", metadata.manualSelectionOnly);
  return new Map<string, ConfigValue>([...content, ["metadata", filled]]);
}
