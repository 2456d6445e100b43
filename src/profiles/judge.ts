import { mismatches } from "./mismatches.ts";
import { compareProfiles } from "./rank.ts";
import type { Criteria, JudgedProfile, Profile, ProfileState } from "./types.ts";

/** States in the order in which they apply; the last but one is the nearest to fitting. */
export const PROFILE_STATES = [
  "engine_mismatch",
  "metric_mismatch",
  "model_mismatch",
  "gpu_mismatch",
  "precision_mismatch",
  "compatible",
] as const satisfies readonly ProfileState[];

/**
 * Judges profiles: the compatible ones first, best first, then the rest, nearest state first. Depends on nothing but its
 * arguments; the order of `profiles` does not matter.
 */
export function judge(profiles: readonly Profile[], criteria: Criteria): JudgedProfile[] {
  const automaticCount = criteria.gpu === null || criteria.gpu.requested === null;
  return profiles
    .map((profile) => judgeOne(profile, criteria))
    .sort((a, b) =>
      PROFILE_STATES.indexOf(b.state) - PROFILE_STATES.indexOf(a.state) ||
      compareProfiles(a.profile, b.profile, { automaticCount })
    );
}

/** True for profiles of no particular model. */
export function isGeneral(profile: Profile): boolean {
  return profile.aimId === null;
}

function judgeOne(profile: Profile, criteria: Criteria): JudgedProfile {
  const found = mismatches(profile, criteria);
  const manualOnly = profile.metadata.manualSelectionOnly ||
    (isGeneral(profile) && !criteria.generalFallback);
  return {
    profile,
    state: found[0]?.state ?? "compatible",
    reason: found[0]?.reason ?? whyItRanks(profile, criteria, manualOnly),
    manualOnly,
    mismatches: found,
  };
}

const KINDS = { 1: "custom", 2: "model", 3: "general" } as const;

function whyItRanks(profile: Profile, criteria: Criteria, manualOnly: boolean): string {
  const { precision, type, gpuCount, manualSelectionOnly } = profile.metadata;
  const gpu = criteria.gpu;
  const count = gpu !== null && gpu.requested === null && gpuCount < gpu.available
    ? `, uses ${gpuCount} of ${gpu.available} GPUs`
    : "";
  const rank = `${KINDS[profile.priority]} profile, ${precision}, ${type}${count}`;
  if (!manualOnly) return rank;
  return `${rank}; ${manualSelectionOnly ? "for manual selection only" : "the general fallback is off"}`;
}
