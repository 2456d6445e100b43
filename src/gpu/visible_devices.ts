import { isBusy, loadOf, usedVram } from "./take_inventory.ts";
import type { Gpu, GpuInventory } from "./types.ts";

/**
 * What to change in the engine's environment so that it gets the GPUs it needs: if more GPUs are visible,
 * those of the inventory's model that are the most idle, in HIP's order.
 *
 * `HIP_VISIBLE_DEVICES` and `CUDA_VISIBLE_DEVICES` must agree, or vLLM's ROCm module refuses to load. HIP
 * reads only the first if both are set. Both treat an empty one as unset; it is left alone.
 *
 * @param needed How many GPUs the engine uses.
 * @param env The engine's environment so far.
 */
export function visibleDevices(
  inventory: GpuInventory,
  needed: number,
  { HIP_VISIBLE_DEVICES: hip, CUDA_VISIBLE_DEVICES: cuda }: Readonly<Record<string, string | undefined>>,
): { env: Record<string, string>; warnings: string[] } {
  const chosen = chooseDevices(inventory, needed);
  if (chosen.length > 0) {
    // HIP's indices before HIP_VISIBLE_DEVICES applies.
    const ids = chosen.map(order).sort((a, b) => a - b).join(",");
    return {
      env: { HIP_VISIBLE_DEVICES: ids, ...(cuda ? { CUDA_VISIBLE_DEVICES: ids } : {}) },
      warnings: chosen.filter(isBusy).map((gpu) =>
        `no idle GPU is left: the engine gets GPU ${gpu.index}, which is busy (${loadOf(gpu)})`
      ),
    };
  }
  if (!hip || !cuda || hip === cuda) return { env: {}, warnings: [] };
  const both = `HIP_VISIBLE_DEVICES is "${hip}" and CUDA_VISIBLE_DEVICES is "${cuda}"`;
  return {
    env: { CUDA_VISIBLE_DEVICES: hip },
    warnings: [`${both}: the engine gets "${hip}" for both`],
  };
}

/** None if the engine may see what aim sees. */
function chooseDevices({ gpus, model, partitioned }: GpuInventory, needed: number): Gpu[] {
  const visible = gpus.filter((gpu) => gpu.visible);
  const usable = visible.filter((gpu) =>
    gpu.model === model && (gpu.partition !== null) === partitioned && gpu.hipIndex !== null
  );
  // A named model or a profile chosen by id may need more than are visible: the engine will report that.
  if (usable.length < needed || visible.length === needed) return [];
  return usable.sort((a, b) => load(a) - load(b) || order(a) - order(b)).slice(0, needed);
}

function load(gpu: Gpu): number {
  return isBusy(gpu) ? 1 + (gpu.busyPercent ?? 0) + 100 * usedVram(gpu) : 0;
}

function order(gpu: Gpu): number {
  return gpu.hipIndex ?? gpu.index;
}
