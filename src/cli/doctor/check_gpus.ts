import type { GpuInventory } from "../../gpu/types.ts";
import { grouped, hiddenGpus, inventoryInWords } from "../gpu_table.ts";
import { type Check, check } from "./check.ts";

/** The GPUs, warnings about them, and which ones this container cannot use and why; or the processor. */
export function checkGpus(gpus: GpuInventory): Check[] {
  if (gpus.cpu !== null) return [check("processor", "ok", inventoryInWords(gpus))];
  const usable = gpus.model !== null && gpus.count > 0;
  const todo = "give the container /dev/kfd and /dev/dri, or name the GPU with AIM_GPU_MODEL";
  return [
    usable
      ? check("GPUs", "ok", inventoryInWords(gpus))
      : check("GPUs", "failed", gpus.reasons.join("; ") || "no GPU found", todo),
    ...grouped(gpus.warnings).map((found) => check("GPUs", "warning", found)),
    // A container often gets only some of a host's GPUs, on purpose.
    ...hiddenGpus(gpus.gpus).map((found) => check("GPUs", usable ? "ok" : "warning", `not used: ${found}`)),
  ];
}
