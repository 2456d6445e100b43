import type { GpuInventory } from "../../gpu/types.ts";
import type { Check } from "./check.ts";

/** What GPUs there are, which of them this container cannot use and why, and what an operator should know of them. */
export function checkGpus(gpus: GpuInventory): Check[] {
  const hidden = gpus.gpus.filter((gpu) => !gpu.visible);
  const model = gpus.model ?? "GPU";
  const parts = gpus.partitioned ? " partitions" : "";
  const first: Check = gpus.model !== null && gpus.count > 0
    ? {
      name: "GPUs",
      state: "ok",
      found: `${gpus.count} × ${model}${parts}, ${
        gpus.source === "override" ? "as AIM_GPU_MODEL says" : `from ${gpus.source}`
      }`,
    }
    : {
      name: "GPUs",
      state: "failed",
      found: gpus.reasons.join("; ") || "none is there",
      todo: "give the container /dev/kfd and /dev/dri, or name the GPU with AIM_GPU_MODEL",
    };
  return [
    first,
    ...gpus.warnings.map((found): Check => ({ name: "GPUs", state: "warning", found })),
    ...hidden.map((gpu): Check => ({
      name: "GPUs",
      // A container is often given a part of a host's GPUs on purpose.
      state: first.state === "ok" ? "ok" : "warning",
      found: `GPU ${gpu.index} (${gpu.model}${
        gpu.pciAddress === null ? "" : ` at ${gpu.pciAddress}`
      }) is not used: ${gpu.hiddenBecause ?? "hidden"}`,
    })),
  ];
}
