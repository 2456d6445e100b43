import { type KernelFiles, kernelFiles } from "../os/kernel_files.ts";
import { amdSmiProgram, readAmdSmi } from "./amd_smi.ts";
import { applyVisibility } from "./apply_visibility.ts";
import { readSysfs } from "./sysfs.ts";
import { takeInventory } from "./take_inventory.ts";
import type { Gpu, GpuInventory } from "./types.ts";

/** Where to look. */
export interface DetectOptions {
  /** `/sys`. */
  readonly sysRoot: string;
  /** `/dev`. */
  readonly devRoot: string;
  /** The `amd-smi` program: a name on PATH, or a path. */
  readonly amdSmi: string;
  /** `ROCR_VISIBLE_DEVICES`, `HIP_VISIBLE_DEVICES`, `CUDA_VISIBLE_DEVICES`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `AIM_GPU_MODEL`: nothing is looked at. */
  readonly model: string | null;
  /** `AIM_GPU_COUNT` with it. */
  readonly count: number | null;
  /** Milliseconds that `amd-smi` may take. @default {10000} */
  readonly timeout?: number;
  /** @default {through the C library} */
  readonly files?: KernelFiles;
}

/**
 * The GPUs that this process can use: by `AIM_GPU_MODEL`, else sysfs, else `amd-smi`. Never throws: what is odd about the hardware is
 * in the result.
 */
export async function detectGpus(options: DetectOptions): Promise<GpuInventory> {
  if (options.model !== null) return overridden(options.model, options.count ?? 1);
  const sysfs = readSysfs(options.files ?? kernelFiles(), { sys: options.sysRoot, dev: options.devRoot });
  if (sysfs.devices.length > 0) {
    const gpus = applyVisibility(sysfs.devices, "sysfs", options.env);
    return takeInventory("sysfs", gpus, { warnings: sysfs.warnings, reasons: [] });
  }
  const smi = await readAmdSmi(amdSmiProgram(options.amdSmi, options.timeout ?? 10_000));
  const reasons = [sysfs.reason, smi.reason].filter((reason) => reason !== null);
  const gpus = applyVisibility(smi.devices, "amd-smi", options.env);
  return takeInventory("amd-smi", gpus, { warnings: [...sysfs.warnings, ...smi.warnings], reasons });
}

function overridden(model: string, count: number): GpuInventory {
  const gpu = (index: number): Gpu => ({
    index,
    hipIndex: null,
    model: model.trim().toUpperCase(),
    deviceId: null,
    pciAddress: null,
    uuid: null,
    renderNode: null,
    vramTotal: null,
    vramUsed: null,
    busyPercent: null,
    partition: null,
    visible: true,
    hiddenBecause: null,
    source: "override",
  });
  return {
    source: "override",
    gpus: Array.from({ length: count }, (_, index) => gpu(index)),
    model: model.trim().toUpperCase(),
    count,
    partitioned: false,
    warnings: [],
    reasons: [],
  };
}
