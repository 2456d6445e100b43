import type { Config } from "../config/config.ts";
import { nearest } from "../config/nearest.ts";
import { isGeneral } from "./judge.ts";
import type { JudgedProfile, Profile, ProfileState } from "./types.ts";

/** What came of a selection. */
export type Selection =
  | {
    readonly kind: "selected";
    readonly judged: JudgedProfile;
    /** By `AIM_PROFILE_ID`, as the best that fits, or because `AIM_ALLOW_UNOPTIMIZED` lets it in. */
    readonly by: "id" | "rank" | "unoptimized";
    /**
     * The model's own profile that fits but is not selected automatically, when a general one was selected.
     */
    readonly passedOver: JudgedProfile | null;
  }
  | {
    /** `AIM_PROFILE_ID` names a profile that is not among them. */
    readonly kind: "unknown-id";
    readonly profileId: string;
    readonly nearest: string | null;
    readonly ids: readonly string[];
  }
  | {
    /** Equal candidates that only their `variant` tells apart. */
    readonly kind: "tie";
    readonly ids: readonly string[];
  }
  | {
    /** Nothing fits. */
    readonly kind: "none";
    /** The profiles in each state; the compatible ones are all for manual selection only. */
    readonly breakdown: Readonly<Partial<Record<ProfileState, readonly JudgedProfile[]>>>;
    readonly nearest: NearestMiss | null;
  };

/** The profile that is closest to fitting, and what would make it fit. */
export interface NearestMiss {
  readonly judged: JudgedProfile;
  /** Settings to change, as `AIM_METRIC=latency`; empty if only other hardware would help. */
  readonly remedies: readonly string[];
}

/**
 * Selects from judged profiles: by id (or the id with `.yaml`, or the path), whatever the criteria say; else
 * the best compatible one that may be taken automatically; else, if the settings allow it, an unoptimized
 * one.
 */
export function selectProfile(
  judged: readonly JudgedProfile[],
  { profileId, allowUnoptimized = false, generalFallback = true }:
    & Pick<Config, "profileId">
    & Partial<Pick<Config, "allowUnoptimized" | "generalFallback">>,
): Selection {
  if (profileId !== null) return selectById(judged, profileId);
  const compatible = judged.filter((one) => one.state === "compatible");
  const automatic = compatible.filter((one) => !one.manualOnly);
  const [best] = automatic;
  if (best !== undefined) {
    const equal = automatic.filter((one) => useOf(one) === useOf(best));
    if (equal.length > 1 && equal.some((one) => one.profile.metadata.variant !== null)) {
      return { kind: "tie", ids: equal.map((one) => one.profile.id) };
    }
    const own = compatible.find((one) => !isGeneral(one.profile));
    return {
      kind: "selected",
      judged: best,
      by: "rank",
      passedOver: isGeneral(best.profile) ? own ?? null : null,
    };
  }
  const unoptimized = allowUnoptimized
    ? compatible.find(({ profile: { aimId, metadata } }) =>
      metadata.type === "unoptimized" && (aimId !== null || generalFallback)
    )
    : undefined;
  if (unoptimized !== undefined) {
    return { kind: "selected", judged: unoptimized, by: "unoptimized", passedOver: null };
  }
  return {
    kind: "none",
    breakdown: Object.groupBy(judged, ({ state }) => state),
    nearest: nearestMiss(judged),
  };
}

/** What selection looks at, apart from the variant; the same for profiles of equal use. */
function useOf({ profile: { priority, metadata } }: JudgedProfile): string {
  const { engine, acceleratorModel, acceleratorCount, precision, metric } = metadata;
  return [priority, engine, acceleratorModel, acceleratorCount, precision, metric].join(" ");
}

function selectById(judged: readonly JudgedProfile[], profileId: string): Selection {
  const wanted = profileId.replace(/\.ya?ml$/, "");
  const found = judged.find((one) => one.profile.id === profileId) ??
    judged.find((one) => one.profile.id === wanted || one.profile.path === profileId);
  if (found !== undefined) return { kind: "selected", judged: found, by: "id", passedOver: null };
  const ids = judged.map((one) => one.profile.id).sort();
  return { kind: "unknown-id", profileId, nearest: nearest(wanted, ids), ids };
}

/**
 * The profile nearest to fitting: first those that settings alone make fit, then those for the accelerator
 * that is there, then the fewest and least doubtful things to change, then the fewest GPUs, then the order of
 * `judged`. `null` if there are no profiles.
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
    // Profiles for manual selection are unmeasured: any other single change is suggested first, then the
    // fallback.
    const manual = byId ? 1.5 : manualOnly ? 1.25 : 0;
    const cost = mismatches.length + manual + (needsHardware ? 100 : 0) +
      (accelerator?.otherModel === true ? 100 : 0) +
      (accelerator === undefined ? 0 : metadata.acceleratorCount / 1000);
    if (cost >= least || cost === 0) continue;
    [best, least] = [{ judged: one, remedies: needsHardware ? [] : remedies }, cost];
  }
  return best;
}

/** A profile picked without knowing the GPU. */
export interface GpuLessPick {
  readonly judged: JudgedProfile;
  /** GPU models of the other profiles that could have been meant, sorted, without its own. */
  readonly otherGpus: readonly string[];
  /** Models (`model_id`) that those profiles load and this one does not, sorted. */
  readonly otherModels: readonly string[];
}

/**
 * Picks a profile if no GPU is visible and none is named: of profiles judged with `criteria.accelerator`
 * `null` the best-ranked one, with the alternatives. For downloads only: serving needs a GPU. `null` if no
 * profile fits.
 *
 * @param count The requested number of GPUs; `null` for any.
 */
export function pickWithoutGpu(judged: readonly JudgedProfile[], count: number | null): GpuLessPick | null {
  const left = judged.filter((one) =>
    one.state === "compatible" && !one.manualOnly && one.profile.metadata.acceleratorType === "gpu" &&
    (count === null || one.profile.metadata.acceleratorCount === count)
  );
  const [best] = left;
  if (best === undefined) return null;
  const others = (valueOf: (profile: Profile) => string | null) => {
    const values = new Set(left.map(({ profile }) => valueOf(profile)));
    return [...values].filter((value) => value !== null && value !== valueOf(best.profile)).map(String)
      .sort();
  };
  return {
    judged: best,
    otherGpus: others(({ metadata }) => metadata.acceleratorModel),
    otherModels: others(({ modelId }) => modelId),
  };
}
