import type { Config } from "../config/config.ts";
import type { GpuInventory } from "../gpu/types.ts";
import type { Criteria } from "./types.ts";

/** What a profile must fit. A named GPU model without a count means one GPU. */
export function criteriaOf(
  config: Pick<Config, "engine" | "metric" | "precision" | "generalFallback" | "acceleratorCount">,
  inventory: Pick<GpuInventory, "type" | "source" | "model" | "count" | "partitioned">,
  profileSet: string | null,
): { criteria: Criteria; warnings: string[] } {
  const { engine, metric, precision, generalFallback, acceleratorCount } = config;
  const { type, model, count, partitioned } = inventory;
  const asked = acceleratorCount === "auto" ? null : acceleratorCount;
  const named = inventory.source === "override";
  const requested = named ? count : asked;
  return {
    criteria: {
      ...{ engine, metric, precision, generalFallback, model: profileSet },
      accelerator: model === null ? null : { type, model, available: count, requested, partitioned, named },
    },
    warnings: named && type === "gpu" && asked === null
      ? [`the accelerator is set to ${model} without a count: using 1 (set AIM_ACCELERATOR_COUNT)`]
      : [],
  };
}
