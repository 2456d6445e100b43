import { isBusy, loadOf } from "./take_inventory.ts";
import type { Gpu, GpuInventory } from "./types.ts";

/**
 * Chooses the GPUs that the engine gets: if more of the model that counts are visible than are needed (or
 * others beside them), idle ones, in the order of HIP.
 *
 * @param needed How many the profile uses.
 * @returns For `HIP_VISIBLE_DEVICES`: indices as HIP counts before it; `null` if the engine may see what aim
 *   sees.
 */
export function chooseDevices(
  inventory: GpuInventory,
  needed: number,
): { hipVisibleDevices: string | null; warnings: string[] } {
  const visible = inventory.gpus.filter((gpu) => gpu.visible);
  const usable = visible.filter((gpu) =>
    gpu.model === inventory.model && (gpu.partition !== null) === inventory.partitioned &&
    gpu.hipIndex !== null
  );
  // A named model or a profile chosen by id may ask for more than there is: the engine will say so.
  if (usable.length < needed || visible.length === needed) return { hipVisibleDevices: null, warnings: [] };
  const chosen = [...usable].sort((a, b) => load(a) - load(b) || order(a) - order(b)).slice(0, needed);
  const busy = chosen.filter(isBusy);
  const ids = chosen.map(order).sort((a, b) => a - b);
  return {
    hipVisibleDevices: ids.join(","),
    warnings: busy.map((gpu) =>
      `no idle GPU is left: the engine gets GPU ${gpu.index}, which is busy (${loadOf(gpu)})`
    ),
  };
}

function load(gpu: Gpu): number {
  if (!isBusy(gpu)) return 0;
  return 1 + (gpu.busyPercent ?? 0) + 100 * (gpu.vramUsed ?? 0) / (gpu.vramTotal || 1);
}

function order(gpu: Gpu): number {
  return gpu.hipIndex ?? gpu.index;
}

/**
 * Makes `HIP_VISIBLE_DEVICES` and `CUDA_VISIBLE_DEVICES` agree, or vLLM's ROCm module refuses to load. HIP
 * reads only the first if both are set, so that one is used. Both treat an empty one as unset; it stays as it
 * is.
 *
 * @param env The engine's environment so far.
 * @returns What to change in it.
 * @param chosen The GPUs that aim chose; `null`: all that it may see.
 */
export function visibleDevices(
  env: Readonly<Record<string, string | undefined>>,
  chosen: string | null,
): { env: Record<string, string>; warnings: string[] } {
  const { HIP_VISIBLE_DEVICES: hip, CUDA_VISIBLE_DEVICES: cuda } = env;
  if (chosen !== null) {
    const env = { HIP_VISIBLE_DEVICES: chosen, ...(cuda ? { CUDA_VISIBLE_DEVICES: chosen } : {}) };
    return { env, warnings: [] };
  }
  if (!hip || !cuda || hip === cuda) return { env: {}, warnings: [] };
  return {
    env: { CUDA_VISIBLE_DEVICES: hip },
    warnings: [
      `HIP_VISIBLE_DEVICES is "${hip}" and CUDA_VISIBLE_DEVICES is "${cuda}": the engine gets "${hip}" for both`,
    ],
  };
}
