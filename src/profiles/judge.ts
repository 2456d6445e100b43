import {
  type Criteria,
  type JudgedProfile,
  type Mismatch,
  PRECISIONS,
  type Profile,
  PROFILE_STATES,
  PROFILE_TYPES,
} from "./types.ts";

/** Compatible profiles first, best first, then the nearest. The order of `profiles` does not matter. */
export function judge(profiles: readonly Profile[], criteria: Criteria): JudgedProfile[] {
  const available = automaticCount(criteria);
  return profiles
    .map((profile) => judgeOne(profile, criteria))
    .sort((a, b) =>
      PROFILE_STATES.indexOf(b.state) - PROFILE_STATES.indexOf(a.state) ||
      compareProfiles(a.profile, b.profile, available)
    );
}

/** How many GPUs a profile may use with an automatic count; `null` for a processor or a requested count. */
function automaticCount({ accelerator }: Criteria): number | null {
  return accelerator === null || accelerator.type === "cpu" || accelerator.requested !== null
    ? null
    : accelerator.available;
}

/** True for profiles that are not for a specific model. */
export function isGeneral({ aimId, metadata }: Profile): boolean {
  return aimId === null || metadata.type === "general";
}

function judgeOne(profile: Profile, criteria: Criteria): JudgedProfile {
  const found = differences(profile, criteria);
  const manual = manualSelection(profile, criteria);
  const { precision, type, acceleratorCount } = profile.metadata;
  const available = automaticCount(criteria) ?? 0;
  const rank = [
    `${KINDS[profile.priority]} profile, ${precision}, ${type}`,
    acceleratorCount < available ? `uses ${acceleratorCount} of ${available} GPUs` : null,
  ].filter((part) => part !== null).join(", ");
  return {
    profile,
    state: found[0]?.state ?? "compatible",
    reason: found[0]?.reason ?? (manual === null ? rank : `${rank}; it ${manual.reason}`),
    manualOnly: manual !== null,
    mismatches: manual === null ? found : [...found, manual],
  };
}

function manualSelection(profile: Profile, { generalFallback }: Criteria): Mismatch | null {
  const needs = (reason: string, remedy: string): Mismatch => ({ state: "compatible", reason, remedy });
  if (profile.metadata.manualSelectionOnly) {
    return needs("is used only when named", `AIM_PROFILE_ID=${profile.id}`);
  }
  return generalFallback || !isGeneral(profile)
    ? null
    : needs("needs the general fallback, which is off", "AIM_ALLOW_GENERAL_PROFILE_FALLBACK=true");
}

const KINDS = { 1: "custom", 2: "model", 3: "general" } as const;

/**
 * Order among profiles that fit, better first: a model's own (including custom ones) before general ones;
 * with an automatic count, those that use every GPU; then priority, precision, type, larger count, id.
 *
 * @param available How many GPUs an automatic count may use; `null` if a count was requested or none is
 *   known.
 */
export function compareProfiles(a: Profile, b: Profile, available: number | null): number {
  const [of, and] = [a.metadata, b.metadata];
  return Number(a.priority === 3) - Number(b.priority === 3) ||
    (available === null
      ? 0
      : Number(and.acceleratorCount === available) - Number(of.acceleratorCount === available)) ||
    a.priority - b.priority ||
    PRECISIONS.indexOf(of.precision) - PRECISIONS.indexOf(and.precision) ||
    PROFILE_TYPES.indexOf(of.type) - PROFILE_TYPES.indexOf(and.type) ||
    and.acceleratorCount - of.acceleratorCount ||
    compareText(a.id, b.id);
}

/** By code point, in any locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** All differences between a profile and the criteria, in the order of states. Empty if it fits. */
function differences(profile: Profile, criteria: Criteria): Mismatch[] {
  const { aimId, metadata: { engine, metric, precision } } = profile;
  const found: (Mismatch | null)[] = [
    engine === criteria.engine ? null : {
      state: "engine_mismatch",
      reason: `needs engine ${engine}, not ${criteria.engine}`,
      remedy: `AIM_ENGINE=${engine}`,
    },
    metric === criteria.metric ? null : {
      state: "metric_mismatch",
      reason: `is tuned for ${metric}, not ${criteria.metric}`,
      remedy: `AIM_METRIC=${metric}`,
    },
    aimId === null || aimId === criteria.model ? null : {
      state: "model_mismatch",
      reason: `is for ${aimId}, not ${criteria.model ?? "an unnamed model"}`,
      remedy: `AIM_ID=${aimId}`,
    },
    criteria.accelerator === null ? null : acceleratorMismatch(profile, criteria.accelerator),
    criteria.precision === "auto" || precision === criteria.precision ? null : {
      state: "precision_mismatch",
      reason: `has precision ${precision}, not ${criteria.precision}`,
      remedy: `AIM_PRECISION=${precision}`,
    },
  ];
  return found.filter((mismatch) => mismatch !== null);
}

function acceleratorMismatch(
  profile: Profile,
  there: NonNullable<Criteria["accelerator"]>,
): Mismatch | null {
  const { acceleratorModel: model, acceleratorCount: count, acceleratorType: type } = profile.metadata;
  const differs = (reason: string, remedy: string | null = null): Mismatch => (
    { state: "accelerator_mismatch", reason, remedy }
  );
  if (model !== there.model) {
    const has = there.named ? `, not ${there.model}` : `; this host has ${there.model}`;
    return { ...differs(`needs ${model}${has}`), otherModel: true };
  }
  if (there.partitioned) return differs(`needs unpartitioned ${model} GPUs; this host's are partitioned`);
  // Any number of cores is enough: the engine gets no more threads than that.
  if (type === "cpu") return null;
  if (count < 1) return differs("has a GPU count of 0");
  if (there.requested !== null && count !== there.requested) {
    return differs(
      `uses ${gpus(count)}; ${there.requested} requested`,
      count <= there.available || there.named ? `AIM_ACCELERATOR_COUNT=${count}` : null,
    );
  }
  return count <= there.available ? null : differs(`needs ${gpus(count)}; this host has ${there.available}`);
}

function gpus(count: number): string {
  return count === 1 ? "1 GPU" : `${count} GPUs`;
}
