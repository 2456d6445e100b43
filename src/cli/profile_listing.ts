import type { Config } from "../config/config.ts";
import { shellWord } from "../engine/bash_script.ts";
import { renderArgs } from "../engine/engine_args.ts";
import { compareProfiles, compareText, judge } from "../profiles/judge.ts";
import { engineArgsOf, envVarsOf, profileValue } from "../profiles/profile_content.ts";
import { describeCriteria, type NearestMiss, selectProfile } from "../profiles/select_profile.ts";
import type { Criteria, JudgedProfile, Profile } from "../profiles/types.ts";
import type { MemoryFit } from "../serve/memory_fit.ts";
import { type ConfigMap, type ConfigValue, numberLiteral } from "../values/value.ts";
import { count } from "./format.ts";
import { type Page, style } from "./style.ts";
import { type Column, table } from "./table.ts";

/** A profile to show; `judged` is `null` if compatibility was not checked. */
export interface ProfileRow {
  readonly profile: Profile;
  readonly judged: JudgedProfile | null;
  /** Its model against the GPUs' memory; `null` if it is not cached or the profile does not fit. */
  readonly memory: MemoryFit | null;
  readonly selected: boolean;
}

/** The profiles of a model, in the order of preference. */
export interface ProfileListing {
  readonly rows: readonly ProfileRow[];
  /** One line about what they were judged by. */
  readonly heading: string;
  /** The profile that would be served, or why there is none; `null` if compatibility was not checked. */
  readonly ending: string | null;
  /** If no profile fits, the closest one. */
  readonly nearest: NearestMiss | null;
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
  const rows = (chosen: JudgedProfile | null) =>
    judged.map((one) => ({ profile: one.profile, judged: one, memory: null, selected: one === chosen }));
  const heading = `${count(judged.length, "profile")} for ${describeCriteria(criteria)}`;
  if (selection.kind === "none") {
    const { error, nearest } = selection;
    const noGpu =
      "no GPU can be seen, so nothing fits: AIM_GPU_MODEL (and AIM_GPU_COUNT) names one to judge for";
    const ending = criteria.accelerator === NO_GPU && nearest !== null ? noGpu : error.line;
    return { rows: rows(null), heading, ending, nearest };
  }
  const chosen = selection.judged;
  const why = selection.by === "id" ? "named by AIM_PROFILE_ID" : chosen.reason;
  const ending = `* ${chosen.profile.id} would be served: ${why}`;
  return { rows: rows(chosen), heading, ending, nearest: null };
}

/** Profiles without a check of compatibility. */
export function plainListing(profiles: readonly Profile[], model: string | null): ProfileListing {
  const sorted = profiles.toSorted((a, b) => compareProfiles(a, b, null));
  return {
    rows: sorted.map((profile) => ({ profile, judged: null, memory: null, selected: false })),
    heading: `${count(profiles.length, "profile")} for ${model ?? "any model"}, not judged`,
    ending: null,
    nearest: null,
  };
}

const KINDS = { 1: "custom", 2: "model", 3: "general" } as const;

const COLUMNS: readonly Column<ProfileRow>[] = [
  { title: "", text: (row) => (row.selected ? "*" : "") },
  { title: "PROFILE", text: ({ profile }) => profile.id, atLast: 22 },
  { title: "ACCELERATOR", text: ({ profile }) => profile.metadata.acceleratorModel, expendable: 3 },
  { title: "TP", text: (row) => String(row.profile.metadata.acceleratorCount), expendable: 3, right: true },
  { title: "PRECISION", text: ({ profile }) => profile.metadata.precision, expendable: 4 },
  { title: "METRIC", text: ({ profile }) => profile.metadata.metric, expendable: 5 },
  { title: "TYPE", text: ({ profile }) => profile.metadata.type, expendable: 2 },
  {
    title: "FROM",
    text: ({ profile }) =>
      `${KINDS[profile.priority]}/${profile.path.startsWith("embedded:") ? "embedded" : "disk"}`,
    expendable: 6,
  },
  { title: "AUTO", text: (row) => (isManual(row) ? "no" : "yes"), expendable: 1 },
  { title: "STATE", text: stateInWords, atLast: 12 },
  { title: "MEMORY", text: needInWords, expendable: 5 },
  { title: "REASON", text: ({ judged }) => judged?.reason ?? "", expendable: 7, least: 24 },
];
const VERBOSE_COLUMNS: readonly Column<ProfileRow>[] = [
  ...COLUMNS,
  { title: "MODEL", text: ({ profile }) => profile.modelId ?? "-", expendable: 8 },
  { title: "PATH", text: ({ profile }) => profile.path, expendable: 9 },
];

export function profileTable(rows: readonly ProfileRow[], page: Page, verbose: boolean): string {
  const { bold, dim, green } = style(page.colour);
  const paint = ({ judged, selected }: ProfileRow, text: string) => {
    if (judged === null) return text;
    if (selected) return bold(green(text));
    return judged.state === "compatible" ? green(text) : dim(text);
  };
  return `${table(verbose ? VERBOSE_COLUMNS : COLUMNS, rows, page, paint).join("\n")}\n`;
}

/** The state, and whether its memory is low. */
function stateInWords({ judged, memory }: ProfileRow): string {
  const low = memory !== null && memory.state !== "fits";
  return `${judged?.state ?? ""}${low ? ", memory low" : ""}`;
}

/** `133 of 173 GiB`: the memory that a GPU needs, of the memory that vLLM may use. */
function needInWords({ memory }: ProfileRow): string {
  if (memory === null) return "";
  const gib = (bytes: number) => Math.round(bytes / 2 ** 30);
  return `${gib(memory.weightBytes + (memory.kvBytes ?? 0))} of ${gib(memory.usableBytes)} GiB`;
}

function isManual({ profile, judged }: ProfileRow): boolean {
  return judged?.manualOnly ?? profile.metadata.manualSelectionOnly;
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

/** The listing for programs: AMD's keys `profile_id`, `compatibility` and `profile`, then aim's own. */
export function listingValue({ rows, nearest }: ProfileListing): readonly ConfigMap[] {
  const stateOf = ({ judged }: ProfileRow) => judged?.state ?? "unknown";
  const order = (row: ProfileRow) => AMDS_STATES.indexOf(stateOf(row));
  const sorted = rows.toSorted((a, b) =>
    order(a) - order(b) || a.profile.priority - b.profile.priority || compareText(a.profile.id, b.profile.id)
  );
  return sorted.map((row) => {
    const { profile, judged, memory, selected } = row;
    return new Map<string, ConfigValue>([
      ["profile_id", profile.id],
      ["compatibility", stateOf(row)],
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
export function listingText(rows: readonly ProfileRow[], verbose: boolean): string {
  return rows.map((row) => {
    const { profile, judged, memory, selected } = row;
    const { engine, acceleratorCount, acceleratorModel, precision, metric, type } = profile.metadata;
    const facts = [engine, `${acceleratorCount} x ${acceleratorModel}`, precision, metric, type];
    const args = renderArgs(engineArgsOf(profile)).map((word) => shellWord(word));
    const env = [...envVarsOf(profile)].map(([name, value]) => `${name}=${shellWord(value)}`);
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
