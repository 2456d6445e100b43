import { AimError } from "../errors/aim_error.ts";
import type { NearestMiss, Selection } from "./select_profile.ts";
import { type Criteria, PROFILE_STATES } from "./types.ts";

/**
 * Why nothing was selected, as the error to end with (exit 3): how many profiles are in which state, and the
 * nearest one with what would make it fit.
 */
export function describeNoMatch(
  selection: Exclude<Selection, { kind: "selected" }>,
  criteria: Criteria,
): AimError {
  switch (selection.kind) {
    case "unknown-id":
      return unknownId(selection);
    case "tie": {
      const ids = selection.ids.join(", ");
      const message = `several profiles fit ${describeCriteria(criteria)} equally: ${ids}`;
      return new AimError("no-profile", message, { hint: "set AIM_PROFILE_ID to one of them" });
    }
    case "none":
      return noneFits(selection, criteria);
  }
}

function unknownId({ profileId, nearest, ids }: Extract<Selection, { kind: "unknown-id" }>): AimError {
  const hint = nearest !== null
    ? `did you mean ${nearest}?`
    : ids.length === 0
    ? "there are no profiles at all: check AIM_PROFILE_PATH and AIM_EMBEDDED_PROFILES"
    : `"aim list-profiles" lists all ${ids.length}`;
  return new AimError("no-profile", `no profile has the id "${profileId}" (AIM_PROFILE_ID)`, { hint });
}

function noneFits(selection: Extract<Selection, { kind: "none" }>, criteria: Criteria): AimError {
  const counts = PROFILE_STATES.flatMap((state) => {
    const count = selection.breakdown[state]?.length ?? 0;
    if (count === 0) return [];
    return [
      state === "compatible" ? `${count} compatible but for manual selection only` : `${count} ${state}`,
    ];
  });
  const wanted = describeCriteria(criteria);
  if (counts.length === 0) {
    return new AimError("no-profile", `there are no profiles for ${wanted}`, {
      hint: "check AIM_PROFILE_PATH and AIM_EMBEDDED_PROFILES",
    });
  }
  const unoptimized = (selection.breakdown.compatible ?? []).filter(({ profile }) =>
    profile.metadata.type === "unoptimized" && profile.aimId !== null
  );
  const hint = unoptimized.length > 0
    ? `set AIM_ALLOW_UNOPTIMIZED=true, or AIM_PROFILE_ID to one of ${idsOf(unoptimized)}`
    : selection.nearest === null
    ? 'see "aim list-profiles"'
    : describeNearest(selection.nearest);
  return new AimError("no-profile", `no profile fits ${wanted} (${counts.join(", ")})`, { hint });
}

const SHOWN = 8;

function idsOf(judged: readonly { readonly profile: { readonly id: string } }[]): string {
  const ids = judged.slice(0, SHOWN).map((one) => one.profile.id);
  return judged.length > SHOWN ? `${ids.join(", ")} and ${judged.length - SHOWN} more` : ids.join(", ");
}

/** The nearest profile in words: what differs, and what to set. */
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

/** The criteria in words: `meta-llama/Llama-3.1-8B-Instruct on 2 x MI300X, vllm, latency, precision fp8`. */
export function describeCriteria(criteria: Criteria): string {
  const { accelerator } = criteria;
  const on = accelerator === null || accelerator.available + (accelerator.requested ?? 0) === 0
    ? ""
    : accelerator.type === "cpu"
    ? ` on ${accelerator.model} with ${accelerator.available} cores`
    : ` on ${accelerator.requested ?? accelerator.available} x ${accelerator.model}${
      accelerator.partitioned ? " partition" : ""
    }`;
  const precision = criteria.precision === "auto" ? "any precision" : `precision ${criteria.precision}`;
  return `${
    criteria.model ?? "a model without a name"
  }${on}, ${criteria.engine}, ${criteria.metric}, ${precision}`;
}
