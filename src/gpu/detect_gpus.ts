import { withoutSecrets } from "../log/secret_names.ts";
import { type KernelFiles, kernelFiles } from "../os/kernel_files.ts";
import { amdSmiProgram, readAmdSmi } from "./amd_smi.ts";
import { applyVisibility } from "./apply_visibility.ts";
import { readSysfs } from "./sysfs.ts";
import { takeInventory } from "./take_inventory.ts";
import type { GpuInventory } from "./types.ts";

/** Where to look. */
export interface DetectGpusOptions {
  /** `/sys`. */
  readonly sysRoot: string;
  /** `/dev`. */
  readonly devRoot: string;
  /** The `amd-smi` program: a name on PATH, or a path. */
  readonly amdSmi: string;
  /**
   * `ROCR_VISIBLE_DEVICES`, `HIP_VISIBLE_DEVICES`, `CUDA_VISIBLE_DEVICES`; `amd-smi` gets all but the secrets
   * in it.
   */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds that `amd-smi` may take. @default {10000} */
  readonly timeout?: number;
  /** Ends `amd-smi` early. */
  readonly signal?: AbortSignal | undefined;
  /** @default {through the C library} */
  readonly files?: KernelFiles;
}

/**
 * The GPUs that this process can use: by sysfs, else `amd-smi`. Never throws: what is odd about the hardware
 * is in the result.
 */
export async function detectGpus(options: DetectGpusOptions): Promise<GpuInventory> {
  const sysfs = readSysfs(options.files ?? kernelFiles(), { sys: options.sysRoot, dev: options.devRoot });
  if (sysfs.devices.length > 0) {
    const gpus = applyVisibility(sysfs.devices, "sysfs", options.env);
    return takeInventory("sysfs", gpus, { warnings: sysfs.warnings, reasons: [] });
  }
  const smi = await readAmdSmi(amdSmiProgram(options.amdSmi, {
    timeout: options.timeout ?? 10_000,
    env: withoutSecrets(options.env),
    signal: options.signal,
  }));
  const reasons = [sysfs.reason, smi.reason].filter((reason) => reason !== null);
  const gpus = applyVisibility(smi.devices, "amd-smi", options.env);
  return takeInventory("amd-smi", gpus, { warnings: [...sysfs.warnings, ...smi.warnings], reasons });
}
