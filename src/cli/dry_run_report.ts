import { downloadFolder } from "../cache/cache_paths.ts";
import { sumOf } from "../cache/files.ts";
import { unsafeFiles } from "../cache/judge/unsafe_files.ts";
import { diskUse } from "../cache/inspect_disk.ts";
import { pathOfPlace } from "../cache/resolve_model.ts";
import type { Config } from "../config/config.ts";
import { renderBashScript, shellWord } from "../engine/bash_script.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { profileValue } from "../profiles/profile_content.ts";
import { type MemoryFit, memoryFit, type ModelFiles } from "../serve/memory_fit.ts";
import { missingInWords } from "../serve/served_model.ts";
import type { ServingPlan } from "../serve/serving_plan.ts";
import { freeBytes } from "../transfer/free_space.ts";
import { type ConfigValue, numberLiteral } from "../values/value.ts";
import { jsonValue } from "../values/write_json.ts";
import { writeYaml } from "../values/write_yaml.ts";
import { count, formatBytes } from "./format.ts";

export interface Explanation {
  readonly selectedBecause: string;
  /** The next best profiles, at most two, each with the reason. */
  readonly runnersUp: readonly { readonly profileId: string; readonly reason: string }[];
  /** Where the model is, or every place where it is missing. */
  readonly found: string;
  /** What serving would download; `null` if the model is in the cache. */
  readonly download:
    | { readonly summary: string; readonly bytes: number | null; readonly from: string; readonly to: string }
    | null;
  /** `null` if neither the cache nor the source knows it. */
  readonly modelBytes: number | null;
  /** The model's size against the memory of the GPUs; `null` if either is unknown. */
  readonly memory: MemoryFit | null;
  /** Files that can run their publisher's code; `null` if there are none, or the files are unknown. */
  readonly unsafe: string | null;
  /** Space for the download; `null` if nothing is downloaded or the free space is unknown. */
  readonly disk:
    | { readonly summary: string; readonly freeBytes: number; readonly neededBytes: number }
    | null;
}

export async function explainPlan(
  config: Config,
  plan: ServingPlan,
  files: ModelFiles | { readonly unknownBecause: string },
  gpus: GpuInventory,
): Promise<Explanation> {
  const { place, model } = plan;
  const known = "sizes" in files ? files : null;
  const bytes = known === null ? null : sumOf(known.sizes.values());
  const shared = {
    ...selection(config, plan),
    modelBytes: bytes,
    memory: known === null ? null : memoryFit(gpus, plan.args, known),
    unsafe: known === null ? null : unsafeFiles(known.sizes.keys(), known.config)?.words ?? null,
  };
  if (place.kind !== "missing") {
    const found = `found in ${pathOfPlace(place)}${bytes === null ? "" : ` (${formatBytes(bytes)})`}`;
    return { ...shared, found, download: null, disk: null };
  }
  const to = downloadFolder(config, model);
  const what = "unknownBecause" in files
    ? `${model.uri} to ${to} (size unknown: ${files.unknownBecause})`
    : `${formatBytes(bytes ?? 0)} in ${count(files.sizes.size, "file")} from ${model.uri} to ${to}`;
  const summary = config.offline
    ? "none: HF_HUB_OFFLINE is on, so serve would fail with exit code 5"
    : `serve would first download ${what}`;
  return {
    ...shared,
    found: `${model.uri} is not in the cache (${missingInWords(place)})`,
    download: { summary, bytes, from: model.uri, to },
    disk: bytes === null ? null : await roomFor(to, bytes),
  };
}

function selection(
  { profileId }: Config,
  { judged, profile, guessed }: ServingPlan,
): Pick<Explanation, "selectedBecause" | "runnersUp"> {
  const own = judged.find((one) => one.profile.id === profile.id);
  const because = profileId === null ? own?.reason ?? "selected" : "named by AIM_PROFILE_ID";
  const runnersUp = judged.filter((one) => one !== own).slice(0, 2).map((one) => ({
    profileId: one.profile.id,
    reason: one.state !== "compatible"
      ? one.mismatches.map((mismatch) => mismatch.reason).join(", and ")
      : one.manualOnly
      ? "fits, but is used only when AIM_PROFILE_ID names it"
      : `fits too, but ranks lower: ${one.reason}`,
  }));
  return { selectedBecause: guessed ? "a guess, since no GPU is known" : because, runnersUp };
}

/** Compares free space with a model's size, less what an interrupted download has already written. */
async function roomFor(folder: string, modelBytes: number): Promise<Explanation["disk"]> {
  const space = await freeBytes(folder);
  if (space === null) return null;
  const neededBytes = Math.max(0, modelBytes - (await diskUse(folder)).bytes);
  const fault = space.free >= neededBytes ? "" : ": too little, the download would fail with exit code 7";
  const summary = `${formatBytes(space.free)} free at ${space.at}, ${
    formatBytes(neededBytes)
  } to download${fault}`;
  return { summary, freeBytes: space.free, neededBytes };
}

/**
 * The output of `dry-run --format json`: an array of one object, as in AMD's runtime. AMD's AIM Engine
 * operator reads `filename`, `profile` and `models` from the last JSON array in the pod's log. aim's own keys
 * come after AMD's.
 */
export function dryRunJson(plan: ServingPlan, explanation: Explanation): string {
  const value = {
    ...Object.fromEntries([...amdsKeys(plan, explanation)].map(([key, item]) => [key, jsonValue(item)])),
    script: renderBashScript(plan.shown),
    command: plan.shown.argv,
    env: plan.shown.env,
    resolution: plan.place,
    explanation,
  };
  return JSON.stringify([value], null, 2);
}

/**
 * The output of `dry-run`: comments about the profile and the model, then the same array as YAML. The script
 * comes last; it is left out if it could not run here.
 */
export function dryRunText(plan: ServingPlan, explanation: Explanation, runnable: boolean): string {
  const entries = writeYaml(amdsKeys(plan, explanation)).trimEnd().split("\n");
  const words = plan.shown.argv.map((word) => shellWord(word)).join(" ").replaceAll("\n", "\\n");
  const script = runnable
    ? ["script: |", ...renderBashScript(plan.shown).trimEnd().split("\n").map((line) => `  ${line}`)]
    : [`# not runnable here: ${words}`];
  const list = [...entries, ...script].map((line, at) => `${at === 0 ? "- " : "  "}${line}`);
  return `${[...remarks(plan, explanation), ...list].join("\n")}\n`;
}

/** The plan with its secrets shown. */
export function withSecrets(plan: ServingPlan): ServingPlan {
  const { profile, env, argv } = plan;
  return { ...plan, shown: { profile, env, argv, references: new Set() } };
}

/** AMD's keys in AMD's order, without the script. */
function amdsKeys(
  { profile: { path }, model, shown }: ServingPlan,
  { modelBytes }: Explanation,
): ReadonlyMap<string, ConfigValue> {
  const gib = modelBytes === null ? null : numberLiteral(Math.round(modelBytes / 2 ** 30 * 100) / 100);
  return new Map<string, ConfigValue>([
    ["filename", path.slice(path.lastIndexOf("/") + 1)],
    ["path", path],
    ["profile", profileValue(shown.profile)],
    ["models", [
      new Map<string, ConfigValue>([["name", model.name], ["source", model.uri], ["size_gb", gib]]),
    ]],
  ]);
}

function remarks({ profile }: ServingPlan, explanation: Explanation): string[] {
  const { selectedBecause, runnersUp, found, download, memory, unsafe, disk } = explanation;
  const rows: readonly (readonly [string, string | null | undefined])[] = [
    ["profile", `${profile.id}: ${selectedBecause}`],
    ...runnersUp.map(({ profileId, reason }, at) =>
      [at === 0 ? "next" : "", `${profileId}: ${reason}`] as const
    ),
    ["model", found],
    ["memory", memory?.summary],
    ["trust", unsafe],
    ["download", download?.summary],
    ["disk", disk?.summary],
  ];
  return rows.flatMap(([label, text]) =>
    text ? [`# ${label.padEnd(10)}${text.replaceAll(/\s*\n\s*/g, " ")}`] : []
  );
}
