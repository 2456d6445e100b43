import { AimError } from "../errors/aim_error.ts";
import type { NearestMiss, Selection } from "./select_profile.ts";
import { PROFILE_STATES } from "./judge.ts";
import type { Criteria } from "./types.ts";

/**
 * Why nothing was selected, as the error to end with (exit 3): how many profiles are in which state, and the nearest one
 * with what would make it fit.
 */
export function describeNoMatch(
  selection: Exclude<Selection, { kind: "selected" }>,
  criteria: Criteria,
): AimError {
  if (selection.kind === "unknown-id") {
    const near = selection.nearest;
    return new AimError(
      "no-profile",
      `AIM_PROFILE_ID is "${selection.profileId}", and there is no such profile`,
      {
        hint: near !== null
          ? `did you mean ${near}?`
          : selection.ids.length === 0
          ? "there are no profiles at all: check AIM_PROFILE_PATH and AIM_EMBEDDED_PROFILES"
          : `see "aim list-profiles" for the ${selection.ids.length} there are`,
      },
    );
  }
  const counts = PROFILE_STATES
    .filter((state) => selection.breakdown[state] > 0)
    .map((state) =>
      state === "compatible"
        ? `${selection.manualOnly} compatible but for manual selection only`
        : `${selection.breakdown[state]} ${state}`
    );
  const wanted = describeCriteria(criteria);
  return counts.length === 0
    ? new AimError("no-profile", `no profile for ${wanted}: there are none at all`, {
      hint: "check AIM_PROFILE_PATH and AIM_EMBEDDED_PROFILES",
    })
    : new AimError("no-profile", `no profile fits ${wanted} (${counts.join(", ")})`, {
      hint: selection.nearest === null ? 'see "aim list-profiles"' : describeNearest(selection.nearest),
    });
}

/** The nearest profile in words: what differs, and what to set. */
export function describeNearest({ judged, remedies }: NearestMiss): string {
  const { metadata } = judged.profile;
  const differs = judged.mismatches.map((mismatch) => mismatch.reason);
  if (judged.manualOnly) {
    differs.push(
      metadata.manualSelectionOnly ? "it is for manual selection only" : "the general fallback is off",
    );
  }
  const remedy = remedies.length === 0 ? "it takes other hardware" : `set ${remedies.join(" and ")}`;
  return `nearest is ${judged.profile.id}: ${differs.join(", and ")}; ${remedy}`;
}

/** The criteria in words: `meta-llama/Llama-3.1-8B-Instruct on 2 x MI300X, vllm, latency, precision fp8`. */
export function describeCriteria(criteria: Criteria): string {
  const { gpu } = criteria;
  const on = gpu === null || gpu.available + (gpu.requested ?? 0) === 0
    ? ""
    : ` on ${gpu.requested ?? gpu.available} x ${gpu.model}${gpu.partitioned ? " partition" : ""}`;
  const precision = criteria.precision === "auto" ? "any precision" : `precision ${criteria.precision}`;
  return `${
    criteria.model ?? "a model of no profile set"
  }${on}, ${criteria.engine}, ${criteria.metric}, ${precision}`;
}
