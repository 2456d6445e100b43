import { cachePaths, hubFolder } from "../cache/cache_paths.ts";
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
}

/** Explains a plan. */
export function explainPlan(
  config: Config,
  plan: ServingPlan,
  size: ModelSize,
): Explanation {
  const { resolution, model } = plan;
  const own = plan.judged.find((one) => one.profile === plan.profile);
  const shared = {
    selectedBecause: plan.guessed
      ? "a guess, since no GPU is known"
      : config.profileId === null
      ? own?.reason ?? "selected"
      : "named by AIM_PROFILE_ID",
    runnersUp: runnersUp(plan.judged, own),
    modelBytes: size.bytes,
  };
  const bytes = size.bytes === null ? "" : ` (${formatBytes(size.bytes)})`;
  if (resolution.kind !== "missing") {
    const place = resolution.kind === "path" ? resolution.path : resolution.snapshot;
    return { ...shared, found: `found in ${place}${bytes}`, download: null };
  }
  const paths = cachePaths(config);
  const to = model.ref.kind === "hub" ? hubFolder(paths, model.name) : `${paths.root}/${model.name}`;
  const much = size.bytes === null
    ? `${model.uri} to ${to} (size unknown: ${size.unknownBecause})`
    : `${formatBytes(size.bytes)} in ${count(size.files ?? 0, "file")} from ${model.uri} to ${to}`;
  const summary = config.offline
    ? "none: HF_HUB_OFFLINE is on, so serve would fail with exit 5"
    : `serve would first download ${much}`;
  return {
    ...shared,
    found: `${model.uri} is not in the cache (${missingInWords(resolution)})`,
    download: { summary, bytes: size.bytes, from: model.uri, to },
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
