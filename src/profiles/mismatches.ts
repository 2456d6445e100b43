import type { Criteria, Mismatch, Profile } from "./types.ts";

/**
 * All differences between a profile and the criteria, in the order of states: engine, metric, model,
 * accelerator (model, then count), precision. Empty if it fits. Criteria without an accelerator fit any.
 */
export function mismatches(profile: Profile, criteria: Criteria): Mismatch[] {
  const { metadata } = profile;
  const found: Mismatch[] = [];
  if (metadata.engine !== criteria.engine) {
    found.push({
      state: "engine_mismatch",
      reason: `needs engine ${metadata.engine}, not ${criteria.engine}`,
      remedy: `AIM_ENGINE=${metadata.engine}`,
    });
  }
  if (metadata.metric !== criteria.metric) {
    found.push({
      state: "metric_mismatch",
      reason: `is tuned for ${metadata.metric}, not ${criteria.metric}`,
      remedy: `AIM_METRIC=${metadata.metric}`,
    });
  }
  if (profile.aimId !== null && profile.aimId !== criteria.model) {
    found.push({
      state: "model_mismatch",
      reason: `is for ${profile.aimId}, not ${criteria.model ?? "a model without a name"}`,
      remedy: `AIM_ID=${profile.aimId}`,
    });
  }
  const accelerator = criteria.accelerator === null
    ? null
    : acceleratorMismatch(profile, criteria.accelerator);
  if (accelerator !== null) found.push({ state: "accelerator_mismatch", ...accelerator });
  if (criteria.precision !== "auto" && metadata.precision !== criteria.precision) {
    found.push({
      state: "precision_mismatch",
      reason: `has precision ${metadata.precision}, not ${criteria.precision}`,
      remedy: `AIM_PRECISION=${metadata.precision}`,
    });
  }
  return found;
}

type Difference = Omit<Mismatch, "state">;

function acceleratorMismatch(
  profile: Profile,
  there: NonNullable<Criteria["accelerator"]>,
): Difference | null {
  const { acceleratorModel: model, acceleratorCount: count, acceleratorType: type } = profile.metadata;
  const differs = (reason: string, remedy: string | null = null): Difference => ({ reason, remedy });
  if (model !== there.model) {
    const has = there.named === true ? `, not ${there.model}` : `; this host has ${there.model}`;
    return { ...differs(`needs ${model}${has}`), otherModel: true };
  }
  if (there.partitioned) return differs(`needs whole ${model} GPUs; this host has partitions of them`);
  // Any number of cores will do: the engine gets as many threads.
  if (type === "cpu") return null;
  if (count < 1) return differs("is for no GPU at all");
  if (there.requested !== null && count !== there.requested) {
    return differs(
      `uses ${gpus(count)}; ${there.requested} requested`,
      count <= there.available || there.named === true ? `AIM_ACCELERATOR_COUNT=${count}` : null,
    );
  }
  return count <= there.available ? null : differs(`needs ${gpus(count)}; this host has ${there.available}`);
}

function gpus(count: number): string {
  return count === 1 ? "1 GPU" : `${count} GPUs`;
}
