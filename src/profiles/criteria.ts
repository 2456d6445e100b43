import type { Config } from "../config/config.ts";
import type { GpuInventory } from "../gpu/types.ts";
import type { Criteria } from "./types.ts";

/**
 * What a profile must fit, from the configuration and the hardware. A named GPU model without a count means
 * one GPU.
 *
 * @param profileSet `org/model` as `AIM_ID` or `AIM_MODEL_ID` names it; `null` if that is an S3 URI or a
 * path.
 */
export function criteriaOf(
  config: Pick<Config, "engine" | "metric" | "precision" | "generalFallback" | "acceleratorCount">,
  inventory: Pick<GpuInventory, "type" | "source" | "model" | "count" | "partitioned">,
  profileSet: string | null,
): { criteria: Criteria; warnings: string[] } {
  const { engine, metric, precision, generalFallback } = config;
  const { type, model, count } = inventory;
  const asked = config.acceleratorCount === "auto" ? null : config.acceleratorCount;
  const named = inventory.source === "override";
  const accelerator: Criteria["accelerator"] = model === null ? null : {
    type,
    model,
    available: count,
    requested: named ? count : asked,
    partitioned: inventory.partitioned,
    ...(named ? { named } : {}),
  };
  return {
    criteria: { engine, metric, model: profileSet, accelerator, precision, generalFallback },
    warnings: named && type === "gpu" && asked === null
      ? [`the accelerator is set to ${model} without a count: using 1 (set AIM_ACCELERATOR_COUNT)`]
      : [],
  };
}
