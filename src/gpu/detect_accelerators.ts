import { kernelFiles } from "../os/kernel_files.ts";
import { typeOfAccelerator } from "./accelerators.ts";
import { readAmdSmi } from "./amd_smi.ts";
import { applyVisibility } from "./apply_visibility.ts";
import { detectCpu } from "./detect_cpu.ts";
import { readSysfs } from "./sysfs.ts";
import { takeInventory } from "./take_inventory.ts";
import type { GpuInventory } from "./types.ts";

/** What to look for, and where: settings by their names. */
export interface DetectOptions {
  /** `/sys`. */
  readonly sysfsRoot: string;
  /** `/dev`. */
  readonly devRoot: string;
  /** `/proc`. */
  readonly procRoot: string;
  /** The `amd-smi` program: a name on PATH, or a path. */
  readonly amdSmi: string;
  /**
   * `ROCR_VISIBLE_DEVICES`, `HIP_VISIBLE_DEVICES`, `CUDA_VISIBLE_DEVICES`; `amd-smi` gets all of it except
   * the secrets.
   */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly acceleratorType: "gpu" | "cpu";
  /** `cpu` and the families of GPUs; an EPYC counts as a plain CPU. @default {null} */
  readonly acceleratorFamily?: "instinct" | "radeon" | "epyc" | "cpu" | null;
  /** A model that was named: no GPU is looked at, and its own type counts. @default {null} */
  readonly acceleratorModel?: string | null;
  /** A count that was named. `auto`: 1 for a GPU, all cores of a processor. @default {"auto"} */
  readonly acceleratorCount?: number | "auto";
  /** Milliseconds that `amd-smi` may take. @default {10000} */
  readonly timeout?: number;
  /** Ends `amd-smi` early. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The GPUs (by sysfs, else `amd-smi`) or the processor that this process can use. Never throws: what is odd
 * about the hardware is in the result.
 */
export async function detectAccelerators(options: DetectOptions): Promise<GpuInventory> {
  const { acceleratorModel: model = null, acceleratorFamily: family = null, acceleratorCount } = options;
  const type = model === null ? options.acceleratorType : typeOfAccelerator(model);
  if (type === "gpu" && model === null) return await detectGpus(options);
  const cpu = type === "gpu"
    ? null
    : detectCpu(kernelFiles(), options.sysfsRoot, options.procRoot, ![null, "epyc"].includes(family));
  return {
    type,
    source: model === null ? "cpuinfo" : "override",
    gpus: [],
    cpu,
    model: model ?? cpu?.model ?? null,
    count: typeof acceleratorCount === "number" ? acceleratorCount : cpu?.cores ?? 1,
    partitioned: false,
    warnings: [],
    reasons: [],
  };
}

async function detectGpus(options: DetectOptions): Promise<GpuInventory> {
  const sysfs = readSysfs(kernelFiles(), { sys: options.sysfsRoot, dev: options.devRoot });
  if (sysfs.devices.length > 0) {
    const gpus = applyVisibility(sysfs.devices, "sysfs", options.env);
    return takeInventory("sysfs", gpus, { warnings: sysfs.warnings, reasons: [] });
  }
  const smi = await readAmdSmi(options.amdSmi, {
    timeout: options.timeout ?? 10_000,
    env: options.env,
    signal: options.signal,
  });
  const reasons = [sysfs.reason, smi.reason].filter((reason) => reason !== null);
  const gpus = applyVisibility(smi.devices, "amd-smi", options.env);
  return takeInventory("amd-smi", gpus, { warnings: [...sysfs.warnings, ...smi.warnings], reasons });
}
