import { diskUse } from "../cache/inspect_disk.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { type MemoryFit, memoryFit, unsafeOf } from "../serve/memory_fit.ts";
import { freeBytes } from "../transfer/free_space.ts";
import { cachePaths, hubFolder } from "../cache/cache_paths.ts";
import { pathOfPlace } from "../cache/path_of_place.ts";
import type { Config } from "../config/config.ts";
import type { JudgedProfile } from "../profiles/types.ts";
import type { ModelSize } from "../serve/model_size.ts";
import { count, formatBytes } from "./format.ts";
import { missingInWords } from "../serve/missing_in_words.ts";
import type { ServingPlan } from "../serve/serving_plan.ts";

/** Why a plan is what it is, in words and numbers. */
export interface Explanation {
  readonly selectedBecause: string;
  /** The profiles that came next, two at most, each with what it lacks. */
  readonly runnersUp: readonly { readonly profileId: string; readonly reason: string }[];
  /** Where the model is, or where it is not. */
  readonly found: string;
  /** What serving would download; `null` where the model is in the cache. */
  readonly download:
    | { readonly summary: string; readonly bytes: number | null; readonly from: string; readonly to: string }
    | null;
  /** `null` where neither cache nor source tells. */
  readonly modelBytes: number | null;
  /** The model against the memory of the GPUs; `null` where one of them is not known. */
  readonly memory: MemoryFit | null;
  /** What of the model can run code of its publisher's; `null` where nothing does, or its files are not known. */
  readonly unsafe: string | null;
  /** Room for what is to be downloaded; `null` where nothing is, or the file system does not say. */
  readonly disk:
    | { readonly summary: string; readonly freeBytes: number; readonly neededBytes: number }
    | null;
}

/** Explains a plan. */
export async function explainPlan(
  config: Config,
  plan: ServingPlan,
  size: ModelSize,
  gpus: GpuInventory,
): Promise<Explanation> {
  const { place, model } = plan;
  const own = plan.judged.find((one) => one.profile.id === plan.profile.id);
  const shared = {
    selectedBecause: plan.guessed
      ? "a guess, since no GPU is known"
      : config.profileId === null
      ? own?.reason ?? "selected"
      : "named by AIM_PROFILE_ID",
    runnersUp: runnersUp(plan.judged, own),
    modelBytes: size.bytes,
    memory: size.bytes === null ? null : memoryFit(gpus, plan.args, size.files),
    unsafe: size.bytes === null ? null : unsafeOf(size.files),
    disk: null,
  };
  const bytes = size.bytes === null ? "" : ` (${formatBytes(size.bytes)})`;
  if (place.kind !== "missing") {
    return { ...shared, found: `found in ${pathOfPlace(place)}${bytes}`, download: null };
  }
  const paths = cachePaths(config);
  const to = model.ref.kind === "hub" ? hubFolder(paths, model.name) : `${paths.root}/${model.name}`;
  const much = size.bytes === null
    ? `${model.uri} to ${to} (size unknown: ${size.unknownBecause})`
    : `${formatBytes(size.bytes)} in ${count(size.files.sizes.size, "file")} from ${model.uri} to ${to}`;
  const summary = config.offline
    ? "none: HF_HUB_OFFLINE is on, so serve would fail with exit 5"
    : `serve would first download ${much}`;
  return {
    ...shared,
    found: `${model.uri} is not in the cache (${missingInWords(place)})`,
    download: { summary, bytes: size.bytes, from: model.uri, to },
    disk: size.bytes === null ? null : await roomFor(to, size.bytes),
  };
}

/** What an interrupted download has already written needs no more room. */
async function roomFor(to: string, bytes: number): Promise<Explanation["disk"]> {
  const place = await freeBytes(to);
  if (place === null) return null;
  const neededBytes = Math.max(0, bytes - (await diskUse(to)).bytes);
  const says = place.free >= neededBytes ? "" : ": too little, the download would end with exit 7";
  return {
    summary: `${formatBytes(place.free)} free at ${place.at}, ${formatBytes(neededBytes)} to come${says}`,
    freeBytes: place.free,
    neededBytes,
  };
}

function runnersUp(
  judged: readonly JudgedProfile[],
  own: JudgedProfile | undefined,
): Explanation["runnersUp"] {
  return judged.filter((one) => one !== own).slice(0, 2).map((one) => ({
    profileId: one.profile.id,
    reason: one.state !== "compatible"
      ? one.mismatches.map((mismatch) => mismatch.reason).join(", and ")
      : one.manualOnly
      ? "fits, but is used only when AIM_PROFILE_ID names it"
      : `fits too, but ranks lower: ${one.reason}`,
  }));
}
