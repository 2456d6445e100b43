import type { JudgedProfile } from "./types.ts";

/** The profile that is closest to fitting, and what would make it fit. */
export interface NearestMiss {
  readonly judged: JudgedProfile;
  /** Settings to change, as `AIM_METRIC=latency`; empty if only other hardware would help. */
  readonly remedies: readonly string[];
}

/**
 * The profile nearest to fitting: first those that settings alone make fit, then those for this host's
 * accelerator, then the fewest and least doubtful changes, then the fewest GPUs, then the order of `judged`.
 * `null` if there are no profiles.
 */
export function nearestMiss(judged: readonly JudgedProfile[]): NearestMiss | null {
  let best: NearestMiss | null = null;
  let least = Infinity;
  for (const one of judged) {
    const { profile: { id, metadata }, manualOnly, mismatches } = one;
    const accelerator = mismatches.find(({ state }) => state === "accelerator_mismatch");
    const needsHardware = accelerator !== undefined && accelerator.remedy === null;
    const byId = manualOnly && metadata.manualSelectionOnly;
    // AIM_PROFILE_ID skips every criterion, so it alone is enough.
    const remedies = byId ? [`AIM_PROFILE_ID=${id}`] : mismatches.flatMap(({ remedy }) => remedy ?? []);
    if (manualOnly && !byId) remedies.push("AIM_ALLOW_GENERAL_PROFILE_FALLBACK=true");
    // Manual-selection profiles are unmeasured: suggest any other single change first, then the fallback.
    const manual = byId ? 1.5 : manualOnly ? 1.25 : 0;
    const cost = mismatches.length + manual + (needsHardware ? 100 : 0) +
      (accelerator?.otherModel === true ? 100 : 0) +
      (accelerator === undefined ? 0 : metadata.acceleratorCount / 1000);
    if (cost >= least || cost === 0) continue;
    [best, least] = [{ judged: one, remedies: needsHardware ? [] : remedies }, cost];
  }
  return best;
}

export function describeNearest({ judged, remedies }: NearestMiss): string {
  const differs = judged.mismatches.map((mismatch) => mismatch.reason);
  if (judged.manualOnly) {
    differs.push(
      judged.profile.metadata.manualSelectionOnly
        ? "is for manual selection only"
        : "needs the general fallback, which is off",
    );
  }
  const remedy = remedies.length === 0 ? "no setting changes that" : `set ${remedies.join(" and ")}`;
  return `nearest is ${judged.profile.id}: it ${differs.join(", and ")}; ${remedy}`;
}
