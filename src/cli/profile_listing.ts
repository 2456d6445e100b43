import type { Config } from "../config/config.ts";
import { renderArgs } from "../engine/engine_args.ts";
import { shellWord } from "../engine/bash_script.ts";
import { profileValue } from "../profiles/profile_content.ts";
import { compareProfiles, compareText, judge } from "../profiles/judge.ts";
import type { Criteria, JudgedProfile, ProfileFault, ProfileState } from "../profiles/types.ts";
import { type ConfigMap, type ConfigValue, numberLiteral } from "../values/value.ts";
import { describeCriteria, describeNearest, describeNoMatch } from "../profiles/describe_no_match.ts";
import type { LoadedProfiles } from "../profiles/load_profiles.ts";
import { nearestMiss, type Selection, selectProfile } from "../profiles/select_profile.ts";
import type { MemoryFit } from "../serve/memory_fit.ts";
import { isManual, type ProfileRow, stateInWords } from "./profile_table.ts";

/** The profiles of a model, and the selected one. */
export interface ProfileListing {
  /** `null` if compatibility is not checked. */
  readonly criteria: Criteria | null;
  readonly selection: Selection | null;
  readonly rows: readonly ProfileRow[];
  readonly faults: readonly ProfileFault[];
}

/** Without a GPU, no profile fits. */
const NO_GPU: Criteria["accelerator"] = {
  type: "gpu",
  model: "no GPU",
  available: 0,
  requested: null,
  partitioned: false,
};

/** Judges profiles, and selects one like serving does. */
export function judgedListing(
  set: { criteria: Criteria; judged: readonly JudgedProfile[]; faults: readonly ProfileFault[] },
  config: Pick<Config, "profileId" | "allowUnoptimized">,
): ProfileListing {
  const criteria = { ...set.criteria, accelerator: set.criteria.accelerator ?? NO_GPU };
  const judged = judge(set.judged.map((one) => one.profile), criteria);
  const selection = selectProfile(judged, config);
  const chosen = selection.kind === "selected" ? selection.judged : null;
  return {
    criteria,
    selection,
    rows: judged.map((one) => ({
      profile: one.profile,
      judged: one,
      memory: null,
      selected: one === chosen,
    })),
    faults: set.faults,
  };
}

/** Profiles without a check of compatibility, in the order of preference. */
export function plainListing({ profiles, faults }: LoadedProfiles): ProfileListing {
  return {
    criteria: null,
    selection: null,
    rows: profiles
      .toSorted((a, b) => compareProfiles(a, b, null))
      .map((profile) => ({ profile, judged: null, memory: null, selected: false })),
    faults,
  };
}

/** One line about the criteria. */
export function listingHeading({ criteria, rows }: ProfileListing, model: string | null): string {
  const profiles = `${rows.length} profile${rows.length === 1 ? "" : "s"}`;
  return criteria === null
    ? `${profiles} for ${model ?? "any model"}, not judged`
    : `${profiles} for ${describeCriteria(criteria)}`;
}

/** Text about the profile that would be served, or the nearest miss; `null` without a check. */
export function listingEnding({ criteria, selection, rows }: ProfileListing): string | null {
  if (criteria === null || selection === null) return null;
  if (selection.kind === "selected") {
    const { profile, reason } = selection.judged;
    const why = selection.by === "id" ? "named by AIM_PROFILE_ID" : reason;
    const others = rows.length > 1 && selection.by === "rank" ? nearestBetter(rows, selection.judged) : null;
    return [`* ${profile.id} would be served: ${why}`, ...(others === null ? [] : [others])].join("\n");
  }
  if (criteria.accelerator === NO_GPU && selection.kind === "none") {
    return "no GPU can be seen, so nothing fits: AIM_GPU_MODEL (and AIM_GPU_COUNT) names one to judge for";
  }
  return describeNoMatch(selection, criteria).line;
}

/** Text about a measured profile that ranks higher and needs only one setting. */
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
    : `a measured profile needs only one setting: ${describeNearest(miss)}`;
}

/** AMD's states in the order of its lists. */
const AMDS_STATES = [
  "compatible",
  "accelerator_mismatch",
  "precision_mismatch",
  "model_mismatch",
  "engine_mismatch",
  "metric_mismatch",
  "unknown",
] as const;

/** AMD's name of a state; `unknown` without a check. */
function amdsState(state: ProfileState | undefined): (typeof AMDS_STATES)[number] {
  return state ?? "unknown";
}

/** The listing for programs: AMD's `profile_id`, `compatibility` and `profile`, in its order; then aim's own keys. */
export function listingValue({ selection, rows }: ProfileListing): readonly ConfigMap[] {
  const nearest = selection?.kind === "none" ? selection.nearest : null;
  const order = (row: ProfileRow) => AMDS_STATES.indexOf(amdsState(row.judged?.state));
  const sorted = rows.toSorted((a, b) =>
    order(a) - order(b) || a.profile.priority - b.profile.priority || compareText(a.profile.id, b.profile.id)
  );
  return sorted.map((row) => {
    const { profile, judged, selected } = row;
    const missing = nearest?.judged.profile === profile ? nearest.remedies : null;
    return new Map<string, ConfigValue>([
      ["profile_id", profile.id],
      ["compatibility", amdsState(judged?.state)],
      ["profile", profileValue(profile)],
      ["path", profile.path],
      ["priority", numberLiteral(profile.priority)],
      ["selected", selected],
      ["manualOnly", isManual(row)],
      ["reason", judged?.reason ?? null],
      ["memory", row.memory === null ? null : memoryValue(row.memory)],
      ...(missing === null ? [] : [["setToFit", missing] as const]),
    ]);
  });
}

function memoryValue(
  { state, weightBytes, kvBytes, usableBytes, smallestCount, summary }: MemoryFit,
): ConfigMap {
  const number = (value: number | null) => value === null ? null : numberLiteral(Math.round(value));
  return new Map<string, ConfigValue>([
    ["state", state],
    ["weightBytes", number(weightBytes)],
    ["kvBytes", number(kvBytes)],
    ["usableBytes", number(usableBytes)],
    ["smallestCount", number(smallestCount)],
    ["summary", summary],
  ]);
}

/** The listing as one paragraph per profile. */
export function listingText(listing: ProfileListing, verbose: boolean): string {
  return listing.rows.map((row) => {
    const { profile, judged, selected } = row;
    const { metadata } = profile;
    const facts = [
      metadata.engine,
      `${metadata.acceleratorCount} x ${metadata.acceleratorModel}`,
      metadata.precision,
      metadata.metric,
      metadata.type,
      ...(isManual(row) ? ["manual selection only"] : []),
    ];
    return [
      `${profile.id}${selected ? " (would be served)" : ""}`,
      `  ${facts.join(", ")}`,
      ...(judged === null ? [] : [`  ${stateInWords(row)}: ${judged.reason}`]),
      ...(row.memory === null ? [] : [`  ${row.memory.summary}`]),
      `  model ${profile.modelId ?? "as asked for"}, ${profile.path}`,
      ...(verbose
        ? [
          `  arguments ${renderArgs(profile.engineArgs).map((word) => shellWord(word)).join(" ")}`,
          `  environment ${
            [...profile.envVars].map(([name, value]) => `${name}=${shellWord(value)}`).join(" ")
          }`,
        ]
        : []),
      "",
    ].join("\n");
  }).join("\n");
}
