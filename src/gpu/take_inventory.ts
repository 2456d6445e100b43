import { UNKNOWN_MODEL } from "./accelerators.ts";
import type { Gpu, GpuInventory } from "./types.ts";

/** VRAM in use above this share counts as busy. A GPU that runs nothing uses some for the driver. */
const BUSY_VRAM = 0.05;

/** True if something runs on a GPU: VRAM in use above 5 %, or any activity. */
export function isBusy(gpu: Gpu): boolean {
  return (gpu.busyPercent ?? 0) > 0 ||
    (gpu.vramTotal !== null && gpu.vramTotal > 0 && (gpu.vramUsed ?? 0) / gpu.vramTotal > BUSY_VRAM);
}

/**
 * What follows from the GPUs that were found: the model that counts, how many, and what an operator should
 * know.
 */
export function takeInventory(
  source: GpuInventory["source"],
  gpus: readonly Gpu[],
  notes: { readonly warnings: readonly string[]; readonly reasons: readonly string[] },
): GpuInventory {
  const visible = gpus.filter((gpu) => gpu.visible);
  const [main, ...others] = kinds(visible);
  const warnings = [...notes.warnings];
  for (const gpu of visible.filter((one) => one.model === UNKNOWN_MODEL)) {
    warnings.push(
      `GPU ${gpu.index} has the unknown device id ${
        gpu.deviceId ?? "(none)"
      }: no profile can be selected for it`,
    );
  }
  if (main !== undefined && others.length > 0) {
    const rest = others.map((kind) => `${kind.gpus.length} ${kind.name}`).join(", ");
    warnings.push(
      `the GPUs differ: ${main.gpus.length} ${main.name} are used, ${rest} not`,
    );
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
    model: main?.model ?? null,
    count: main?.gpus.length ?? 0,
    partitioned: main?.partitioned ?? false,
    warnings,
    reasons: main === undefined ? [...notes.reasons, ...hidden] : [],
  };
}

interface Kind {
  readonly name: string;
  readonly model: string;
  readonly partitioned: boolean;
  readonly gpus: readonly Gpu[];
}

/**
 * GPUs by model, whole ones apart from partitions; the one that counts first: known before unknown, then the
 * most numerous, then the largest.
 */
function kinds(gpus: readonly Gpu[]): Kind[] {
  const groups = Map.groupBy(
    gpus,
    ({ model, partition }) => partition === null ? model : `${model} partition`,
  );
  const vram = (kind: Kind) => Math.max(...kind.gpus.map((gpu) => gpu.vramTotal ?? 0));
  return [...groups]
    .map(([name, of]): Kind => ({
      name,
      model: of[0]?.model ?? UNKNOWN_MODEL,
      partitioned: of[0]?.partition != null,
      gpus: of,
    }))
    .sort((a, b) =>
      Number(a.model === UNKNOWN_MODEL) - Number(b.model === UNKNOWN_MODEL) ||
      b.gpus.length - a.gpus.length || vram(b) - vram(a) || (a.name < b.name ? -1 : 1)
    );
}

/** How busy a GPU is, in words. */
export function loadOf(gpu: Gpu): string {
  const parts = [];
  if (gpu.busyPercent !== null && gpu.busyPercent > 0) parts.push(`${gpu.busyPercent} % active`);
  if (gpu.vramUsed !== null && gpu.vramTotal !== null && gpu.vramTotal > 0) {
    parts.push(`${Math.round(gpu.vramUsed / gpu.vramTotal * 100)} % of VRAM in use`);
  }
  return parts.join(", ");
}
