import type { GpuInventory } from "../gpu/types.ts";
import { type MemoryFit, memoryFit, unsafeOf } from "../serve/memory_fit.ts";
import { cachePaths, downloadFolder } from "../cache/cache_paths.ts";
import { pathOfPlace } from "../cache/path_of_place.ts";
import type { Config } from "../config/config.ts";
import type { JudgedProfile } from "../profiles/types.ts";
import type { ModelSize } from "../serve/model_size.ts";
import { count, formatBytes } from "./format.ts";
import { missingInWords } from "../serve/served_model.ts";
import { type Room, roomFor } from "./room_for.ts";
import type { ServingPlan } from "../serve/serving_plan.ts";

/** Explains a plan in words and numbers. */
export interface Explanation {
  readonly selectedBecause: string;
  /** The next best profiles, at most two, each with what it lacks. */
  readonly runnersUp: readonly { readonly profileId: string; readonly reason: string }[];
  /** Where the model is, or every place where it is missing. */
  readonly found: string;
  /** What serving would download; `null` if the model is in the cache. */
  readonly download:
    | { readonly summary: string; readonly bytes: number | null; readonly from: string; readonly to: string }
    | null;
  /** `null` if neither the cache nor the source can say. */
  readonly modelBytes: number | null;
  /** The model's size against the memory of the GPUs; `null` if either is unknown. */
  readonly memory: MemoryFit | null;
  /** Files of the model that can run its publisher's code; `null` if there are none, or its files are unknown. */
  readonly unsafe: string | null;
  /** Room for the download; `null` if there is none, or the file system does not report its free space. */
  readonly disk: Room | null;
}

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
  const to = downloadFolder(cachePaths(config), model);
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
