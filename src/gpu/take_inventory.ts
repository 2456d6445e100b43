import { UNKNOWN_MODEL } from "./accelerators.ts";
import type { Gpu, GpuInventory } from "./types.ts";

/** VRAM in use above this share counts as busy. An idle GPU uses some for the driver. */
const BUSY_VRAM = 0.05;

export function isBusy(gpu: Gpu): boolean {
  return (gpu.busyPercent ?? 0) > 0 || usedVram(gpu) > BUSY_VRAM;
}

/** The share of its memory that is in use; 0 if that is unknown. */
export function usedVram({ vramUsed, vramTotal }: Gpu): number {
  return vramTotal ? (vramUsed ?? 0) / vramTotal : 0;
}

/** Summarises the GPUs that were found. @param reasons Why other sources found none. */
export function takeInventory(
  source: GpuInventory["source"],
  gpus: readonly Gpu[],
  notes: readonly string[] = [],
  reasons: readonly string[] = [],
): GpuInventory {
  const visible = gpus.filter((gpu) => gpu.visible);
  const [main = [], ...others] = alike(visible);
  const [first] = main;
  const warnings = [...notes];
  for (const { index, deviceId } of visible.filter(({ model }) => model === UNKNOWN_MODEL)) {
    const id = deviceId ?? "(none)";
    warnings.push(`GPU ${index} has the unknown device id ${id}: no profile can be selected for it`);
  }
  if (others.length > 0) {
    const [used, ...rest] = [main, ...others].map((group) => `${group.length} ${group.map(kindOf)[0]}`);
    warnings.push(`the GPUs differ: using ${used}, not ${rest.join(", ")}`);
  }
  for (const gpu of visible.filter(isBusy)) {
    warnings.push(`GPU ${gpu.index} (${gpu.model}) is busy: ${loadOf(gpu)}`);
  }
  const hidden = gpus.filter((gpu) => !gpu.visible).map((gpu) =>
    `GPU ${gpu.index} (${gpu.model}): ${gpu.hiddenBecause}`
  );
  return {
    type: "gpu",
    source: gpus.length === 0 ? "none" : source,
    gpus,
    cpu: null,
    model: first?.model ?? null,
    count: main.length,
    partitioned: first !== undefined && first.partition !== null,
    warnings,
    reasons: first === undefined ? [...reasons, ...hidden] : [],
  };
}

function kindOf({ model, partition }: Gpu): string {
  return partition === null ? model : `${model} partition`;
}

/** Groups by kind, the kind to use first: known models, then the most numerous, then the largest memory. */
function alike(gpus: readonly Gpu[]): Gpu[][] {
  const isUnknown = (kind: string) => Number(kind.startsWith(UNKNOWN_MODEL));
  const vram = (group: readonly Gpu[]) => Math.max(...group.map((gpu) => gpu.vramTotal ?? 0));
  return [...Map.groupBy(gpus, kindOf)].sort(([a, inA], [b, inB]) =>
    isUnknown(a) - isUnknown(b) || inB.length - inA.length || vram(inB) - vram(inA) || (a < b ? -1 : 1)
  ).map(([, group]) => group);
}

export function loadOf(gpu: Gpu): string {
  const active = gpu.busyPercent ? [`${gpu.busyPercent} % active`] : [];
  const used = gpu.vramUsed === null || !gpu.vramTotal
    ? []
    : [`${Math.round(usedVram(gpu) * 100)} % of VRAM in use`];
  return [...active, ...used].join(", ");
}
