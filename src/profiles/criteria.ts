import type { Config } from "../config/config.ts";
import type { GpuInventory } from "../gpu/types.ts";
import type { Criteria } from "./types.ts";

/** Criteria, and what an operator should know about how they came about. */
export interface CriteriaResult {
  readonly criteria: Criteria;
  /** One line each. */
  readonly warnings: readonly string[];
}

/**
 * What a profile must fit, from the configuration and the GPUs that are there (where `AIM_GPU_MODEL` is set, the inventory
 * reflects it already). A GPU model without a count means one GPU.
 *
 * @param profileSet `org/model` as `AIM_ID` or `AIM_MODEL_ID` names it; `null` where that is an S3 URI or a path.
 */
export function criteriaOf(
  config: Pick<
    Config,
    "engine" | "metric" | "precision" | "generalFallback" | "gpuModel" | "gpuCount"
  >,
  inventory: Pick<GpuInventory, "model" | "count" | "partitioned">,
  profileSet: string | null,
): CriteriaResult {
  const { gpu, warnings } = gpuOf(config, inventory);
  return {
    criteria: {
      engine: config.engine,
      metric: config.metric,
      model: profileSet,
      gpu,
      precision: config.precision,
      generalFallback: config.generalFallback,
    },
    warnings,
  };
}

function gpuOf(
  config: Pick<Config, "gpuModel" | "gpuCount">,
  inventory: Pick<GpuInventory, "model" | "count" | "partitioned">,
): { gpu: Criteria["gpu"]; warnings: string[] } {
  const asked = config.gpuCount === "auto" ? null : config.gpuCount;
  const model = inventory.model ?? config.gpuModel;
  if (model === null) return { gpu: null, warnings: [] };
  if (config.gpuModel === null) {
    return {
      gpu: { model, available: inventory.count, requested: asked, partitioned: inventory.partitioned },
      warnings: [],
    };
  }
  const count = asked ?? 1;
  return {
    gpu: { model, available: count, requested: count, partitioned: false, named: true },
    warnings: asked === null
      ? [`AIM_GPU_MODEL is ${config.gpuModel} without AIM_GPU_COUNT: taking 1 GPU`]
      : [],
  };
}
