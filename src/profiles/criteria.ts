import type { Config } from "../config/mod.ts";
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
 */
export function criteriaOf(
  config: Pick<
    Config,
    "aimId" | "modelId" | "engine" | "metric" | "precision" | "generalFallback" | "gpuModel" | "gpuCount"
  >,
  inventory: Pick<GpuInventory, "model" | "count" | "partitioned">,
): CriteriaResult {
  const { gpu, warnings } = gpuOf(config, inventory);
  return {
    criteria: {
      engine: config.engine,
      metric: config.metric,
      model: profileSetOf(config),
      gpu,
      precision: config.precision,
      generalFallback: config.generalFallback,
    },
    warnings,
  };
}

/**
 * The profile set: `AIM_ID`, else `AIM_MODEL_ID` without `hf://` and revision. `null` where the model is an S3 URI or a path:
 * then it has no set of its own.
 */
export function profileSetOf(config: Pick<Config, "aimId" | "modelId">): string | null {
  if (config.aimId !== null) return config.aimId;
  const text = config.modelId;
  if (text === null || text.startsWith("/") || /^s3:\/\//i.test(text)) return null;
  return /^hf:\/\//i.test(text) ? text.slice(5).replace(/[@:].*$/, "") : text.replace(/@.*$/, "");
}

/**
 * The model to load: the profile's `model_id`, else `AIM_MODEL_ID`, else `AIM_ID`. `null` where none of them names one. Where
 * `AIM_MODEL_ID` is an S3 URI or a path the model is named already, and no profile is selected that has a `model_id`.
 */
export function modelToLoad(
  profile: { readonly modelId: string | null },
  config: Pick<Config, "aimId" | "modelId">,
): string | null {
  return profile.modelId ?? config.modelId ?? config.aimId;
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
    gpu: { model, available: count, requested: count, partitioned: false },
    warnings: asked === null
      ? [`AIM_GPU_MODEL is ${config.gpuModel} without AIM_GPU_COUNT: taking 1 GPU`]
      : [],
  };
}
