import type { Config } from "../config/config.ts";
import { nearest } from "../config/nearest.ts";
import { AimError } from "../errors/aim_error.ts";
import { isGeneral } from "./judge.ts";
import { type Criteria, type JudgedProfile, type Profile, PROFILE_STATES } from "./types.ts";

export type Selection =
  | {
    readonly kind: "selected";
    readonly judged: JudgedProfile;
    /** By `AIM_PROFILE_ID`, as the best that fits, or because `AIM_ALLOW_UNOPTIMIZED` allows it. */
    readonly by: "id" | "rank" | "unoptimized";
    /** The model's own profile that fits but must be named, if a general one was selected. */
    readonly passedOver: JudgedProfile | null;
  }
  | {
    readonly kind: "none";
    readonly error: AimError;
    /** If no profile fits, the closest one. */
    readonly nearest: JudgedProfile | null;
  };

/**
 * Selects by id (or the id with `.yaml`, or the path) despite any mismatch; else the best compatible profile
 * that may be selected automatically; else, if the settings allow it, an unoptimized one.
 */
export function selectProfile(
  judged: readonly JudgedProfile[],
  criteria: Criteria,
  { profileId, allowUnoptimized = false }:
    & Pick<Config, "profileId">
    & Partial<Pick<Config, "allowUnoptimized">>,
): Selection {
  if (profileId !== null) return selectById(judged, profileId);
  const compatible = judged.filter((one) => one.state === "compatible");
  const automatic = compatible.filter((one) => !one.manualOnly);
  const [best] = automatic;
  if (best !== undefined) {
    const equal = automatic.filter((one) => useOf(one) === useOf(best));
    if (equal.length > 1 && equal.some((one) => one.profile.metadata.variant !== null)) {
      const ids = equal.map((one) => one.profile.id).join(", ");
      const message = `several profiles fit ${describeCriteria(criteria)} equally: ${ids}`;
      return none(message, "set AIM_PROFILE_ID to one of them");
    }
    const own = compatible.find((one) => !isGeneral(one.profile)) ?? null;
    return { kind: "selected", judged: best, by: "rank", passedOver: isGeneral(best.profile) ? own : null };
  }
  const unoptimized = compatible.find(({ profile: { aimId, metadata } }) =>
    metadata.type === "unoptimized" && (aimId !== null || criteria.generalFallback)
  );
  if (allowUnoptimized && unoptimized !== undefined) {
    return { kind: "selected", judged: unoptimized, by: "unoptimized", passedOver: null };
  }
  return noneFits(judged, criteria);
}

/** Equal for profiles that differ only in their variants. */
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
  const near = nearest(wanted, ids);
  const hint = near !== null
    ? `did you mean ${near}?`
    : ids.length === 0
    ? "there are no profiles at all: check AIM_PROFILE_PATH and AIM_EMBEDDED_PROFILES"
    : `"aim list-profiles" lists all ${ids.length}`;
  return none(`no profile has the id "${profileId}" (AIM_PROFILE_ID)`, hint);
}

function noneFits(judged: readonly JudgedProfile[], criteria: Criteria): Selection {
  const wanted = describeCriteria(criteria);
  if (judged.length === 0) {
    return none(`there are no profiles for ${wanted}`, "check AIM_PROFILE_PATH and AIM_EMBEDDED_PROFILES");
  }
  const inState = Object.groupBy(judged, ({ state }) => state);
  const counts = PROFILE_STATES.flatMap((state) => {
    const count = inState[state]?.length ?? 0;
    const what = state === "compatible" ? "compatible but not selected automatically" : state;
    return count === 0 ? [] : [`${count} ${what}`];
  });
  const unoptimized = (inState.compatible ?? []).map(({ profile }) => profile)
    .filter(({ aimId, metadata }) => metadata.type === "unoptimized" && aimId !== null);
  const miss = nearestMiss(judged);
  const hint = unoptimized.length > 0
    ? `set AIM_ALLOW_UNOPTIMIZED=true, or AIM_PROFILE_ID to one of ${idsOf(unoptimized)}`
    : miss === null
    ? 'see "aim list-profiles"'
    : describeNearest(miss);
  return none(`no profile fits ${wanted} (${counts.join(", ")})`, hint, miss);
}

function none(message: string, hint: string, nearest: JudgedProfile | null = null): Selection {
  return { kind: "none", error: new AimError("no-profile", message, { hint }), nearest };
}

const SHOWN = 8;

function idsOf(profiles: readonly Profile[]): string {
  const ids = profiles.slice(0, SHOWN).map(({ id }) => id).join(", ");
  return profiles.length > SHOWN ? `${ids} and ${profiles.length - SHOWN} more` : ids;
}

/** The profile nearest to fitting, the first of several. */
function nearestMiss(judged: readonly JudgedProfile[]): JudgedProfile | null {
  const misses = judged.filter(({ mismatches }) => mismatches.length > 0);
  return misses.toSorted((a, b) => distance(a) - distance(b))[0] ?? null;
}

/**
 * How far a profile is from fitting: first, a mismatch that only other hardware fixes, or another accelerator
 * model; then the number of changes; then of GPUs.
 */
function distance({ profile: { metadata }, manualOnly, mismatches }: JudgedProfile): number {
  const accelerator = mismatches.find(({ state }) => state === "accelerator_mismatch");
  // Manual-selection profiles are unmeasured: suggest any other single change first, then the fallback.
  const manual = metadata.manualSelectionOnly ? 0.5 : 0.25;
  return mismatches.length + (manualOnly ? manual : 0) +
    (accelerator?.remedy === null ? 100 : 0) +
    (accelerator?.otherModel === true ? 100 : 0) +
    (accelerator === undefined ? 0 : metadata.acceleratorCount / 1000);
}

/** Settings that would make a profile fit, as `AIM_METRIC=latency`; none if only other hardware would. */
export function remediesOf({ profile: { metadata }, mismatches }: JudgedProfile): string[] {
  if (mismatches.some(({ remedy }) => remedy === null)) return [];
  // AIM_PROFILE_ID skips every criterion, so it alone is enough.
  const needed = metadata.manualSelectionOnly ? mismatches.slice(-1) : mismatches;
  return needed.flatMap(({ remedy }) => remedy ?? []);
}

function describeNearest(judged: JudgedProfile): string {
  const differs = judged.mismatches.map(({ reason }) => reason).join(", and ");
  const remedies = remediesOf(judged);
  const remedy = remedies.length === 0 ? "no setting changes that" : `set ${remedies.join(" and ")}`;
  return `nearest is ${judged.profile.id}: it ${differs}; ${remedy}`;
}

/** The criteria in words: `meta-llama/Llama-3.1-8B-Instruct on 2 x MI300X, vllm, latency, precision fp8`. */
export function describeCriteria({ model, accelerator, engine, metric, precision }: Criteria): string {
  const on = accelerator === null || accelerator.available + (accelerator.requested ?? 0) === 0
    ? ""
    : accelerator.type === "cpu"
    ? ` on ${accelerator.model} with ${accelerator.available} cores`
    : ` on ${accelerator.requested ?? accelerator.available} x ${accelerator.model}` +
      (accelerator.partitioned ? " partition" : "");
  const what = precision === "auto" ? "any precision" : `precision ${precision}`;
  return `${model ?? "an unnamed model"}${on}, ${engine}, ${metric}, ${what}`;
}

/** The profiles that a download may use if no GPU is visible and none is named, best first. */
export function profilesForAnyGpu(judged: readonly JudgedProfile[], count: number | "auto"): Profile[] {
  return judged.filter(({ state, manualOnly }) => state === "compatible" && !manualOnly)
    .map(({ profile }) => profile)
    .filter(({ metadata: { acceleratorType, acceleratorCount } }) =>
      acceleratorType === "gpu" && (count === "auto" || acceleratorCount === count)
    );
}
