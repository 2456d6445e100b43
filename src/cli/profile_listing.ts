import type { Config } from "../config/config.ts";
import { shellWord } from "../engine/bash_script.ts";
import { renderArgs } from "../engine/engine_args.ts";
import { compareProfiles, compareText, judge } from "../profiles/judge.ts";
import { profileValue } from "../profiles/profile_content.ts";
import { describeNearest, nearestMiss } from "../profiles/nearest_miss.ts";
import { describeCriteria, type Selection, selectProfile } from "../profiles/select_profile.ts";
import type { Criteria, JudgedProfile, Profile } from "../profiles/types.ts";
import type { MemoryFit } from "../serve/memory_fit.ts";
import { type ConfigMap, type ConfigValue, numberLiteral } from "../values/value.ts";
import { count } from "./format.ts";
import { isManual, type ProfileRow, stateInWords } from "./profile_table.ts";

/** The profiles of a model. */
export interface ProfileListing {
  readonly rows: readonly ProfileRow[];
  /** What they were judged by, and the selected one; `null` if compatibility is not checked. */
  readonly judged: { readonly criteria: Criteria; readonly selection: Selection } | null;
}

/** Without a GPU, no profile fits. */
const NO_GPU: Criteria["accelerator"] = {
  type: "gpu",
  model: "no GPU",
  available: 0,
  requested: null,
  partitioned: false,
  named: false,
};

/** Judges profiles, and selects one like serving does. */
export function judgedListing(
  set: { criteria: Criteria; judged: readonly JudgedProfile[] },
  config: Pick<Config, "profileId" | "allowUnoptimized">,
): ProfileListing {
  const criteria = { ...set.criteria, accelerator: set.criteria.accelerator ?? NO_GPU };
  const judged = judge(set.judged.map((one) => one.profile), criteria);
  const selection = selectProfile(judged, criteria, config);
  const chosen = selection.kind === "selected" ? selection.judged : null;
  const rows = judged.map((one) => ({
    profile: one.profile,
    judged: one,
    memory: null,
    selected: one === chosen,
  }));
  return { rows, judged: { criteria, selection } };
}

/** Profiles without a check of compatibility, in the order of preference. */
export function plainListing(profiles: readonly Profile[]): ProfileListing {
  const sorted = profiles.toSorted((a, b) => compareProfiles(a, b, null));
  const rows = sorted.map((profile) => ({ profile, judged: null, memory: null, selected: false }));
  return { rows, judged: null };
}

/** One line about the criteria. */
export function listingHeading({ judged, rows }: ProfileListing, model: string | null): string {
  const what = judged === null ? `${model ?? "any model"}, not judged` : describeCriteria(judged.criteria);
  return `${count(rows.length, "profile")} for ${what}`;
}

/** Text about the profile that would be served, or the nearest miss; `null` without a check. */
export function listingEnding({ judged, rows }: ProfileListing): string | null {
  if (judged === null) return null;
  const { criteria, selection } = judged;
  if (selection.kind === "selected") {
    const { profile, reason } = selection.judged;
    const why = selection.by === "id" ? "named by AIM_PROFILE_ID" : reason;
    const better = selection.by === "rank" ? nearestBetter(rows, profile) : [];
    return [`* ${profile.id} would be served: ${why}`, ...better].join("\n");
  }
  if (criteria.accelerator === NO_GPU && selection.nearest !== null) {
    return "no GPU can be seen, so nothing fits: AIM_GPU_MODEL (and AIM_GPU_COUNT) names one to judge for";
  }
  return selection.error.line;
}

/** Text about a measured profile that ranks higher and needs only one setting. */
function nearestBetter(rows: readonly ProfileRow[], selected: Profile): string[] {
  if (isMeasured(selected)) return [];
  const miss = nearestMiss(
    rows.flatMap(({ profile, judged }) =>
      judged !== null && judged.state !== "compatible" && isMeasured(profile) ? [judged] : []
    ),
  );
  return miss?.remedies.length === 1
    ? [`a measured profile needs only one setting: ${describeNearest(miss)}`]
    : [];
}

function isMeasured({ metadata }: Profile): boolean {
  return metadata.type === "optimized" || metadata.type === "preview";
}

/** AMD's states in the order of its lists; `unknown` without a check. */
const AMDS_STATES = [
  "compatible",
  "accelerator_mismatch",
  "precision_mismatch",
  "model_mismatch",
  "engine_mismatch",
  "metric_mismatch",
  "unknown",
] as const;

function amdsState({ judged }: ProfileRow): (typeof AMDS_STATES)[number] {
  return judged?.state ?? "unknown";
}

/** The listing for programs: AMD's keys `profile_id`, `compatibility` and `profile`, then aim's own. */
export function listingValue({ judged, rows }: ProfileListing): readonly ConfigMap[] {
  const nearest = judged?.selection.kind === "none" ? judged.selection.nearest : null;
  const order = (row: ProfileRow) => AMDS_STATES.indexOf(amdsState(row));
  const sorted = rows.toSorted((a, b) =>
    order(a) - order(b) || a.profile.priority - b.profile.priority || compareText(a.profile.id, b.profile.id)
  );
  return sorted.map((row) => {
    const { profile, judged, memory, selected } = row;
    return new Map<string, ConfigValue>([
      ["profile_id", profile.id],
      ["compatibility", amdsState(row)],
      ["profile", profileValue(profile)],
      ["path", profile.path],
      ["priority", numberLiteral(profile.priority)],
      ["selected", selected],
      ["manualOnly", isManual(row)],
      ["reason", judged?.reason ?? null],
      ["memory", memory === null ? null : memoryValue(memory)],
      ...(nearest?.judged.profile === profile ? [["setToFit", nearest.remedies] as const] : []),
    ]);
  });
}

const MEMORY_KEYS = ["state", "weightBytes", "kvBytes", "usableBytes", "smallestCount", "summary"] as const;

function memoryValue(memory: MemoryFit): ConfigMap {
  return new Map(MEMORY_KEYS.map((key) => {
    const value = memory[key];
    return [key, typeof value === "number" ? numberLiteral(Math.round(value)) : value];
  }));
}

/** The listing as one paragraph per profile. */
export function listingText({ rows }: ProfileListing, verbose: boolean): string {
  return rows.map((row) => {
    const { profile, judged, memory, selected } = row;
    const { engine, acceleratorCount, acceleratorModel, precision, metric, type } = profile.metadata;
    const facts = [engine, `${acceleratorCount} x ${acceleratorModel}`, precision, metric, type];
    const args = renderArgs(profile.engineArgs).map((word) => shellWord(word));
    const env = [...profile.envVars].map(([name, value]) => `${name}=${shellWord(value)}`);
    return [
      `${profile.id}${selected ? " (would be served)" : ""}`,
      `  ${[...facts, ...(isManual(row) ? ["manual selection only"] : [])].join(", ")}`,
      ...(judged === null ? [] : [`  ${stateInWords(row)}: ${judged.reason}`]),
      ...(memory === null ? [] : [`  ${memory.summary}`]),
      `  model ${profile.modelId ?? "as asked for"}, ${profile.path}`,
      ...(verbose ? [`  arguments ${args.join(" ")}`, `  environment ${env.join(" ")}`] : []),
      "",
    ].join("\n");
  }).join("\n");
}
