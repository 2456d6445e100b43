import { nearest } from "../config/nearest.ts";
import { PROFILE_STATES } from "./judge.ts";
import type { JudgedProfile, ProfileState } from "./types.ts";

/** What came of a selection. */
export type Selection =
  | {
    readonly kind: "selected";
    readonly judged: JudgedProfile;
    /** By `AIM_PROFILE_ID`, or as the best that fits. */
    readonly by: "id" | "rank";
  }
  | {
    /** `AIM_PROFILE_ID` names a profile that is not in the set. */
    readonly kind: "unknown-id";
    readonly profileId: string;
    readonly nearest: string | null;
    readonly ids: readonly string[];
  }
  | {
    /** Nothing fits. */
    readonly kind: "none";
    /** How many profiles are in each state. */
    readonly breakdown: Readonly<Record<ProfileState, number>>;
    /** How many of the compatible ones are for manual selection only. */
    readonly manualOnly: number;
    readonly nearest: NearestMiss | null;
  };

/** The profile that is closest to fitting, and what would make it fit. */
export interface NearestMiss {
  readonly judged: JudgedProfile;
  /** Settings to change, as `AIM_METRIC=latency`; empty where only other hardware would do. */
  readonly remedies: readonly string[];
}

/** Options of {@linkcode selectProfile}. */
export interface SelectOptions {
  /** `AIM_PROFILE_ID`: selects by id (or the id with `.yaml`, or the path), whatever the criteria say. */
  profileId: string | null;
}

/** Selects from judged profiles: by id, or the best compatible one that is not for manual selection only. */
export function selectProfile(judged: readonly JudgedProfile[], options: SelectOptions): Selection {
  if (options.profileId !== null) return selectById(judged, options.profileId);
  const best = judged.find((one) => one.state === "compatible" && !one.manualOnly);
  if (best !== undefined) return { kind: "selected", judged: best, by: "rank" };
  return {
    kind: "none",
    breakdown: countStates(judged),
    manualOnly: judged.filter((one) => one.state === "compatible").length,
    nearest: nearestMiss(judged),
  };
}

function selectById(judged: readonly JudgedProfile[], profileId: string): Selection {
  const wanted = profileId.replace(/\.ya?ml$/, "");
  const found = judged.find((one) => one.profile.id === profileId) ??
    judged.find((one) => one.profile.id === wanted || one.profile.path === profileId);
  if (found !== undefined) return { kind: "selected", judged: found, by: "id" };
  const ids = judged.map((one) => one.profile.id).sort();
  return { kind: "unknown-id", profileId, nearest: nearest(wanted, ids), ids };
}

/** How many profiles are in each state. */
export function countStates(judged: readonly JudgedProfile[]): Record<ProfileState, number> {
  const count = Object.fromEntries(PROFILE_STATES.map((state) => [state, 0])) as Record<ProfileState, number>;
  for (const one of judged) count[one.state]++;
  return count;
}

/**
 * The profile nearest to fitting: one that settings alone make fit comes before one that needs other hardware, then the
 * fewest and least doubtful things to change, then the fewest GPUs, then the order of `judged`. `null` where there are no profiles.
 */
export function nearestMiss(judged: readonly JudgedProfile[]): NearestMiss | null {
  let best: NearestMiss | null = null;
  let least = Infinity;
  for (const one of judged) {
    const needsHardware = one.mismatches.some((mismatch) => mismatch.remedy === null);
    const remedies = one.mismatches.flatMap((mismatch) => mismatch.remedy ?? []);
    if (one.manualOnly) remedies.push(manualRemedy(one));
    const gpus = one.state === "gpu_mismatch" ? one.profile.metadata.gpuCount / 1000 : 0;
    const cost = one.mismatches.length + manualCost(one) + (needsHardware ? 100 : 0) + gpus;
    if (cost >= least || cost === 0) continue;
    [best, least] = [{ judged: one, remedies: needsHardware ? [] : dedupe(one, remedies) }, cost];
  }
  return best;
}

// Nobody vouches for what is left to manual selection: any other single change comes first, then the fallback's.
function manualCost({ manualOnly, profile }: JudgedProfile): number {
  return !manualOnly ? 0 : profile.metadata.manualSelectionOnly ? 1.5 : 1.25;
}

function manualRemedy({ profile }: JudgedProfile): string {
  return profile.metadata.manualSelectionOnly
    ? `AIM_PROFILE_ID=${profile.id}`
    : "AIM_ALLOW_GENERAL_PROFILE_FALLBACK=true";
}

// AIM_PROFILE_ID skips every criterion, so it alone is enough.
function dedupe({ profile }: JudgedProfile, remedies: readonly string[]): readonly string[] {
  const byId = `AIM_PROFILE_ID=${profile.id}`;
  return remedies.includes(byId) ? [byId] : remedies;
}
