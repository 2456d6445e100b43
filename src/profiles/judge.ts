import { mismatches } from "./mismatches.ts";
import { compareProfiles } from "./rank.ts";
import { type Criteria, type JudgedProfile, type Profile, PROFILE_STATES } from "./types.ts";

/**
 * Judges profiles: the compatible ones first, best first, then the rest, nearest state first. Depends on
 * nothing but its arguments; the order of `profiles` does not matter.
 */
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

/** True for profiles that are not for one model. */
export function isGeneral({ aimId, metadata }: Profile): boolean {
  return aimId === null || metadata.type === "general";
}

function judgeOne(profile: Profile, criteria: Criteria): JudgedProfile {
  const found = mismatches(profile, criteria);
  const manualOnly = profile.metadata.manualSelectionOnly ||
    (isGeneral(profile) && !criteria.generalFallback);
  return {
    profile,
    state: found[0]?.state ?? "compatible",
    reason: found[0]?.reason ?? whyItRanks(profile, criteria),
    manualOnly,
    mismatches: found,
  };
}

const KINDS = { 1: "custom", 2: "model", 3: "general" } as const;

function whyItRanks(profile: Profile, criteria: Criteria): string {
  const { precision, type, acceleratorCount, manualSelectionOnly } = profile.metadata;
  const available = automaticCount(criteria) ?? 0;
  return [
    `${KINDS[profile.priority]} profile, ${precision}, ${type}`,
    ...(acceleratorCount < available ? [`uses ${acceleratorCount} of ${available} GPUs`] : []),
    ...(manualSelectionOnly
      ? ["manual selection only"]
      : isGeneral(profile) && !criteria.generalFallback
      ? ["the general fallback is off"]
      : []),
  ].join(", ");
}
