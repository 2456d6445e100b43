import type { Config } from "../config/config.ts";
import { renderArgs } from "../engine/engine_args.ts";
import { shellWord } from "../engine/bash_script.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { compareProfiles } from "../profiles/rank.ts";
import type { Criteria, JudgedProfile, ProfileFault } from "../profiles/types.ts";
import { describeCriteria, describeNearest, describeNoMatch } from "../profiles/describe_no_match.ts";
import { judge } from "../profiles/judge.ts";
import type { LoadedProfiles } from "../profiles/load_profiles.ts";
import { nearestMiss, type Selection, selectProfile } from "../profiles/select_profile.ts";
import { isManual, type ProfileRow } from "./profile_table.ts";

/** The profiles of a model, and what a selection among them gives. */
export interface ProfileListing {
  /** `null` where compatibility is not looked at. */
  readonly criteria: Criteria | null;
  readonly selection: Selection | null;
  readonly rows: readonly ProfileRow[];
  readonly faults: readonly ProfileFault[];
}

/** Where no GPU can be seen, no profile fits, and the reason says so. */
const NO_GPU: Criteria["gpu"] = { model: "no GPU", available: 0, requested: null, partitioned: false };

/** Profiles judged and selected from as serving would. */
export function judgedListing(
  set: { criteria: Criteria; judged: readonly JudgedProfile[]; faults: readonly ProfileFault[] },
  config: Pick<Config, "profileId">,
): ProfileListing {
  const criteria = { ...set.criteria, gpu: set.criteria.gpu ?? NO_GPU };
  const judged = judge(set.judged.map((one) => one.profile), criteria);
  const selection = selectProfile(judged, { profileId: config.profileId });
  const chosen = selection.kind === "selected" ? selection.judged : null;
  return {
    criteria,
    selection,
    rows: judged.map((one) => ({ profile: one.profile, judged: one, selected: one === chosen })),
    faults: set.faults,
  };
}

/** Profiles as they are, in the order in which they would be preferred. */
export function plainListing({ profiles, faults }: LoadedProfiles): ProfileListing {
  return {
    criteria: null,
    selection: null,
    rows: profiles
      .toSorted((a, b) => compareProfiles(a, b, { automaticCount: true }))
      .map((profile) => ({ profile, judged: null, selected: false })),
    faults,
  };
}

/** What was looked for: one line. */
export function listingHeading({ criteria, rows }: ProfileListing, model: string | null): string {
  const profiles = `${rows.length} profile${rows.length === 1 ? "" : "s"}`;
  return criteria === null
    ? `${profiles} for ${model ?? "any model"}, not judged`
    : `${profiles} for ${describeCriteria(criteria)}`;
}

/** What a selection gives, in words: the profile that would be served, or the nearest miss; `null` where not judged. */
export function listingEnding({ criteria, selection, rows }: ProfileListing): string | null {
  if (criteria === null || selection === null) return null;
  if (selection.kind === "selected") {
    const { profile, reason } = selection.judged;
    const why = selection.by === "id" ? "named by AIM_PROFILE_ID" : reason;
    const others = rows.length > 1 && selection.by === "rank" ? nearestBetter(rows, selection.judged) : null;
    return [`* ${profile.id} would be served: ${why}`, ...(others === null ? [] : [others])].join("\n");
  }
  if (criteria.gpu === NO_GPU && selection.kind === "none") {
    return "no GPU can be seen, so nothing fits: AIM_GPU_MODEL (and AIM_GPU_COUNT) names one to judge for";
  }
  return describeNoMatch(selection, criteria).line;
}

/** A measured profile that ranks higher and that one setting would bring in. */
function nearestBetter(rows: readonly ProfileRow[], selected: JudgedProfile): string | null {
  const better = rows.flatMap(({ judged }) =>
    judged !== null && judged.state !== "compatible" &&
      ["optimized", "preview"].includes(judged.profile.metadata.type) &&
      !["optimized", "preview"].includes(selected.profile.metadata.type)
      ? [judged]
      : []
  );
  const miss = nearestMiss(better);
  return miss === null || miss.remedies.length !== 1
    ? null
    : `a measured one is within reach: ${describeNearest(miss)}`;
}

/** Version of the JSON that `aim list-profiles` prints. */
const VERSION = 1;

/** The listing for programs. */
export function listingJson(listing: ProfileListing, gpus: GpuInventory | null, verbose: boolean): unknown {
  const { criteria, selection } = listing;
  const nearest = selection?.kind === "none" ? selection.nearest : null;
  return {
    version: VERSION,
    criteria,
    gpus,
    selected: selection?.kind === "selected" ? selection.judged.profile.id : null,
    nearest: nearest === null
      ? null
      : { id: nearest.judged.profile.id, set: nearest.remedies, reason: describeNearest(nearest) },
    profiles: listing.rows.map((row) => rowJson(row, verbose)),
    faults: listing.faults,
  };
}

function rowJson(row: ProfileRow, verbose: boolean): unknown {
  const { profile, judged, selected } = row;
  const { metadata } = profile;
  return {
    id: profile.id,
    path: profile.path,
    priority: profile.priority,
    aim_id: profile.aimId,
    model_id: profile.modelId,
    metadata: {
      engine: metadata.engine,
      gpu: metadata.gpu,
      precision: metadata.precision,
      gpu_count: metadata.gpuCount,
      metric: metadata.metric,
      manual_selection_only: metadata.manualSelectionOnly,
      type: metadata.type,
    },
    state: judged?.state ?? null,
    reason: judged?.reason ?? null,
    manual_only: isManual(row),
    selected,
    ...(verbose
      ? { arguments: renderArgs(profile.engineArgs), env_vars: Object.fromEntries(profile.envVars) }
      : {}),
  };
}

/** The listing as paragraphs, one a profile. */
export function listingText(listing: ProfileListing, verbose: boolean): string {
  return listing.rows.map((row) => {
    const { profile, judged, selected } = row;
    const { metadata } = profile;
    const facts = [
      metadata.engine,
      `${metadata.gpuCount} x ${metadata.gpu}`,
      metadata.precision,
      metadata.metric,
      metadata.type,
      ...(isManual(row) ? ["manual selection only"] : []),
    ];
    return [
      `${profile.id}${selected ? " (would be served)" : ""}`,
      `  ${facts.join(", ")}`,
      ...(judged === null ? [] : [`  ${judged.state}: ${judged.reason}`]),
      `  model ${profile.modelId ?? "as asked for"}, ${profile.path}`,
      ...(verbose
        ? [
          `  arguments ${renderArgs(profile.engineArgs).map(shellWord).join(" ")}`,
          `  environment ${
            [...profile.envVars].map(([name, value]) => `${name}=${shellWord(value)}`).join(" ")
          }`,
        ]
        : []),
      "",
    ].join("\n");
  }).join("\n");
}
