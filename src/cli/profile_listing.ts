import type { Config } from "../config/config.ts";
import { shellWord } from "../engine/bash_script.ts";
import { renderArgs } from "../engine/engine_args.ts";
import { compareProfiles, compareText, judge } from "../profiles/judge.ts";
import { engineArgsOf, envVarsOf, profileValue } from "../profiles/profile_content.ts";
import { describeCriteria, remediesOf, selectProfile } from "../profiles/select_profile.ts";
import type { Criteria, JudgedProfile, Profile, ProfileState } from "../profiles/types.ts";
import type { MemoryFit } from "../serve/memory_fit.ts";
import { type ConfigMap, type ConfigValue, numberLiteral } from "../values/value.ts";
import { count } from "./format.ts";
import { bold, dim, green } from "./style.ts";
import { type Column, table } from "./table.ts";

/** A profile to show. */
export interface ProfileRow extends Pick<JudgedProfile, "profile" | "manualOnly"> {
  /** `unknown` if compatibility was not checked. */
  readonly state: ProfileState | "unknown";
  readonly reason: string | null;
  readonly selected: boolean;
  /** If no profile fits and this is the nearest: settings that would make it fit. */
  readonly setToFit?: readonly string[] | undefined;
  /** Whether its model fits the GPUs' memory; absent if it is not cached or the profile does not fit. */
  readonly memory?: MemoryFit | undefined;
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

/**
 * Judges profiles, and selects one as serve does. `heading` lists the criteria; `ending` names the profile
 * that would be served, or states why none would.
 */
export function judgedListing(
  set: { criteria: Criteria; judged: readonly JudgedProfile[] },
  config: Pick<Config, "profileId" | "allowUnoptimized">,
) {
  const criteria = { ...set.criteria, accelerator: set.criteria.accelerator ?? NO_GPU };
  const judged = judge(set.judged.map((one) => one.profile), criteria);
  const selection = selectProfile(judged, criteria, config);
  const heading = `${count(judged.length, "profile")} for ${describeCriteria(criteria)}`;
  if (selection.kind === "none") {
    const { error, nearest } = selection;
    const rows: readonly ProfileRow[] = judged.map((one) => ({
      ...one,
      selected: false,
      setToFit: one === nearest ? remediesOf(nearest) : undefined,
    }));
    const noGpu =
      "no GPU found, so no profile fits: set AIM_GPU_MODEL (and AIM_GPU_COUNT) to check profiles for one";
    const ending = criteria.accelerator === NO_GPU && nearest !== null ? noGpu : error.line;
    return { rows, heading, ending };
  }
  const chosen = selection.judged;
  const why = selection.by === "id" ? "named by AIM_PROFILE_ID" : chosen.reason;
  const rows: readonly ProfileRow[] = judged.map((one) => ({ ...one, selected: one === chosen }));
  return { rows, heading, ending: `* ${chosen.profile.id} would be served: ${why}` };
}

/** Profiles without a check of compatibility. */
export function plainListing(profiles: readonly Profile[], model: string | null) {
  const sorted = profiles.toSorted((a, b) => compareProfiles(a, b, null));
  const rows = sorted.map((profile): ProfileRow => {
    const manualOnly = profile.metadata.manualSelectionOnly;
    return { profile, manualOnly, state: "unknown", reason: null, selected: false };
  });
  const heading = `${count(profiles.length, "profile")} for ${model ?? "any model"}, not checked`;
  return { rows, heading, ending: "" };
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
  { title: "AUTO", text: (row) => (row.manualOnly ? "no" : "yes"), expendable: 1 },
  { title: "STATE", text: stateInWords, atLast: 12 },
  { title: "MEMORY", text: needInWords, expendable: 5 },
  { title: "REASON", text: ({ reason }) => reason ?? "", expendable: 7, least: 24 },
];
const VERBOSE_COLUMNS: readonly Column<ProfileRow>[] = [
  ...COLUMNS,
  { title: "MODEL", text: ({ profile }) => profile.modelId ?? "-", expendable: 8 },
  { title: "PATH", text: ({ profile }) => profile.path, expendable: 9 },
];

export function profileTable(rows: readonly ProfileRow[], width: number, verbose: boolean): string {
  const paint = ({ state, selected }: ProfileRow, text: string) => {
    if (state === "unknown") return text;
    if (selected) return bold(green(text));
    return state === "compatible" ? green(text) : dim(text);
  };
  return `${table(verbose ? VERBOSE_COLUMNS : COLUMNS, rows, width, paint).join("\n")}\n`;
}

/** The state, and whether its memory is low. */
function stateInWords({ state, memory }: ProfileRow): string {
  if (state === "unknown") return "";
  return memory === undefined || memory.state === "fits" ? state : `${state}, memory low`;
}

/** `133 of 173 GiB`: the memory needed per GPU, of the memory that vLLM may use. */
function needInWords({ memory }: ProfileRow): string {
  if (memory === undefined) return "";
  const gib = (bytes: number) => Math.round(bytes / 2 ** 30);
  return `${gib(memory.weightBytes + (memory.kvBytes ?? 0))} of ${gib(memory.usableBytes)} GiB`;
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
export function listingValue(rows: readonly ProfileRow[]): readonly ConfigMap[] {
  const order = ({ state }: ProfileRow) => AMDS_STATES.indexOf(state);
  const sorted = rows.toSorted((a, b) =>
    order(a) - order(b) || a.profile.priority - b.profile.priority || compareText(a.profile.id, b.profile.id)
  );
  return sorted.map(({ profile, state, selected, manualOnly, reason, memory, setToFit }) =>
    new Map<string, ConfigValue>([
      ["profile_id", profile.id],
      ["compatibility", state],
      ["profile", profileValue(profile)],
      ["path", profile.path],
      ["priority", numberLiteral(profile.priority)],
      ["selected", selected],
      ["manualOnly", manualOnly],
      ["reason", reason],
      ["memory", memory === undefined ? null : memoryValue(memory)],
      ...(setToFit === undefined ? [] : [["setToFit", setToFit] as const]),
    ])
  );
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
    const { profile, memory } = row;
    const { engine, acceleratorCount, acceleratorModel, precision, metric, type } = profile.metadata;
    const facts = [engine, `${acceleratorCount} x ${acceleratorModel}`, precision, metric, type];
    const args = renderArgs(engineArgsOf(profile)).map((word) => shellWord(word));
    const env = [...envVarsOf(profile)].map(([name, value]) => `${name}=${shellWord(value)}`);
    return [
      `${profile.id}${row.selected ? " (would be served)" : ""}`,
      `  ${[...facts, ...(row.manualOnly ? ["used only when named"] : [])].join(", ")}`,
      ...(row.reason === null ? [] : [`  ${stateInWords(row)}: ${row.reason}`]),
      ...(memory === undefined ? [] : [`  ${memory.summary}`]),
      `  model ${profile.modelId ?? "as requested"}, ${profile.path}`,
      ...(verbose ? [`  arguments ${args.join(" ")}`, `  environment ${env.join(" ")}`] : []),
      "",
    ].join("\n");
  }).join("\n");
}
