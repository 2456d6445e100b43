import { compareText } from "./rank.ts";
import type { JudgedProfile } from "./types.ts";

/** A profile picked without knowing the GPU. */
export interface GpuLessPick {
  readonly judged: JudgedProfile;
  /**
   * GPU models of the other profiles that could have been meant, each once, sorted. Its own is not among
   * them.
   */
  readonly otherGpus: readonly string[];
  /** Models (`model_id`) that those profiles load and this one does not, each once, sorted. */
  readonly otherModels: readonly string[];
}

/** Options of {@linkcode pickWithoutGpu}. */
export interface PickOptions {
  /** A count that was asked for: only profiles of that count are looked at. @default {null} */
  gpuCount?: number | null;
}

/**
 * Picks a profile if no GPU is visible and none is named: of profiles judged with `criteria.accelerator`
 * `null` the best-ranked one, with the alternatives. For downloads only: serving needs a GPU. `null` if no
 * profile fits.
 */
export function pickWithoutGpu(
  judged: readonly JudgedProfile[],
  options: PickOptions = {},
): GpuLessPick | null {
  const count = options.gpuCount ?? null;
  const left = judged.filter((one) =>
    one.state === "compatible" && !one.manualOnly && one.profile.metadata.acceleratorType === "gpu" &&
    (count === null || one.profile.metadata.acceleratorCount === count)
  );
  const [best] = left;
  if (best === undefined) return null;
  const others = (values: (string | null)[], own: string | null) =>
    [...new Set(values)].filter((value) => value !== null && value !== own).map(String).sort(compareText);
  return {
    judged: best,
    otherGpus: others(
      left.map((one) => one.profile.metadata.acceleratorModel),
      best.profile.metadata.acceleratorModel,
    ),
    otherModels: others(left.map((one) => one.profile.modelId), best.profile.modelId),
  };
}
