import type { GpuInventory } from "../../gpu/types.ts";
import { hiddenGpus } from "../hidden_gpus.ts";
import type { Check } from "./check.ts";

/** The GPUs, which of them this container cannot use and why, and what an operator should know about them; or the processor. */
export function checkGpus(gpus: GpuInventory): Check[] {
  if (gpus.cpu !== null) {
    const { name, cores, nodeCores } = gpus.cpu;
    return [{
      name: "processor",
      state: "ok",
      found: `${gpus.model} (${name}), ${cores} of ${nodeCores} cores`,
    }];
  }
  const model = gpus.model ?? "GPU";
  const parts = gpus.partitioned ? " partitions" : "";
  const first: Check = gpus.model !== null && gpus.count > 0
    ? {
      name: "GPUs",
      state: "ok",
      found: `${gpus.count} x ${model}${parts}, ${
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
    ...grouped(gpus.warnings).map((found): Check => ({ name: "GPUs", state: "warning", found })),
    ...hiddenGpus(gpus.gpus).map((found): Check => ({
      name: "GPUs",
      // A container is often given a part of a host's GPUs on purpose.
      state: first.state === "ok" ? "ok" : "warning",
      found: `not used: ${found}`,
    })),
  ];
}

/** Warnings about GPUs that differ in the number alone, as one. */
function grouped(warnings: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const warning of warnings) {
    const [, number = "", rest = warning] = /^GPU (\d+) (.*)$/s.exec(warning) ?? [];
    const key = number === "" ? warning : rest.replace(/: .*$/s, "");
    groups.set(key, [...groups.get(key) ?? [], number === "" ? warning : number]);
  }
  return [...groups].map(([key, found]) =>
    found.length > 1 ? `GPUs ${found.join(", ")} ${key}` : warnings.find((one) => one.includes(key)) ?? key
  );
}
