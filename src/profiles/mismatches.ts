import type { Criteria, Mismatch, Profile } from "./types.ts";

/**
 * Everything in which a profile differs from the criteria, in the order in which states are given: engine, metric, model,
 * GPU (model, then count), precision. Empty where it fits. GPU criteria that are `null` are not looked at.
 */
export function mismatches(profile: Profile, criteria: Criteria): Mismatch[] {
  const { metadata } = profile;
  const found: Mismatch[] = [];
  if (metadata.engine !== criteria.engine) {
    found.push({
      state: "engine_mismatch",
      reason: `it is for engine ${metadata.engine}, wanted is ${criteria.engine}`,
      remedy: `AIM_ENGINE=${metadata.engine}`,
    });
  }
  if (metadata.metric !== criteria.metric) {
    found.push({
      state: "metric_mismatch",
      reason: `it is tuned for ${metadata.metric}, wanted is ${criteria.metric}`,
      remedy: `AIM_METRIC=${metadata.metric}`,
    });
  }
  if (profile.aimId !== null && profile.aimId !== criteria.model) {
    found.push({
      state: "model_mismatch",
      reason: `it is for ${profile.aimId}, wanted is ${criteria.model ?? "a model of unknown name"}`,
      remedy: `AIM_ID=${profile.aimId}`,
    });
  }
  const gpu = criteria.gpu === null ? null : gpuMismatch(profile, criteria.gpu);
  if (gpu !== null) found.push(gpu);
  if (criteria.precision !== "auto" && metadata.precision !== criteria.precision) {
    found.push({
      state: "precision_mismatch",
      reason: `it has precision ${metadata.precision}, wanted is ${criteria.precision}`,
      remedy: `AIM_PRECISION=${metadata.precision}`,
    });
  }
  return found;
}

function gpuMismatch(profile: Profile, gpu: NonNullable<Criteria["gpu"]>): Mismatch | null {
  const { gpu: model, gpuCount: count } = profile.metadata;
  const differs = (reason: string, remedy: string | null): Mismatch => ({
    state: "gpu_mismatch",
    reason,
    remedy,
  });
  if (model.toUpperCase() !== gpu.model.toUpperCase()) {
    return differs(`it is for ${model}, there is ${gpu.model}`, null);
  }
  if (gpu.partitioned) {
    return differs(`it is for whole ${model} GPUs, there are partitions of them`, null);
  }
  if (gpu.requested === null) {
    return count <= gpu.available
      ? null
      : differs(`it needs ${gpus(count)}, ${areThere(gpu.available)}`, null);
  }
  if (count !== gpu.requested) {
    return differs(
      `it uses ${gpus(count)}, ${gpu.requested} ${gpu.requested === 1 ? "was" : "were"} asked for`,
      count <= gpu.available || gpu.named === true ? `AIM_GPU_COUNT=${count}` : null,
    );
  }
  return count <= gpu.available
    ? null
    : differs(`it needs the ${gpus(count)} asked for, ${areThere(gpu.available)}`, null);
}

function gpus(count: number): string {
  return count === 1 ? "1 GPU" : `${count} GPUs`;
}

function areThere(count: number): string {
  return count === 1 ? "1 is there" : `${count} are there`;
}
