import { kernelFiles } from "../os/kernel_files.ts";
import { typeOfAccelerator } from "./accelerators.ts";
import { readAmdSmi } from "./amd_smi.ts";
import { applyVisibility } from "./apply_visibility.ts";
import { detectCpu } from "./detect_cpu.ts";
import { readSysfs } from "./sysfs.ts";
import { takeInventory } from "./take_inventory.ts";
import type { GpuInventory } from "./types.ts";

/** The settings of these names, and how long `amd-smi` may take. */
export interface DetectOptions {
  readonly sysfsRoot: string;
  readonly devRoot: string;
  readonly procRoot: string;
  readonly amdSmi: string;
  readonly acceleratorType: "gpu" | "cpu";
  /** Any but `epyc`: an EPYC counts as a plain CPU. @default {null} */
  readonly acceleratorFamily?: "instinct" | "radeon" | "epyc" | "cpu" | null;
  /** If set, no GPU is detected, and the model determines the type. @default {null} */
  readonly acceleratorModel?: string | null;
  /** With a model, `auto` is 1 GPU or all cores. @default {"auto"} */
  readonly acceleratorCount?: number | "auto";
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds. @default {10000} */
  readonly timeout?: number;
  /** Ends `amd-smi` early. */
  readonly signal?: AbortSignal | undefined;
}

/** The GPUs (by sysfs, else `amd-smi`) or the processor that this process can use. Never throws. */
export async function detectAccelerators(options: DetectOptions): Promise<GpuInventory> {
  const { acceleratorModel: model = null, acceleratorFamily: family = null, acceleratorCount } = options;
  const type = model === null ? options.acceleratorType : typeOfAccelerator(model);
  if (type === "gpu" && model === null) return await detectGpus(options);
  const anyChip = family !== null && family !== "epyc";
  const cpu = type === "gpu" ? null : detectCpu(kernelFiles(), options.sysfsRoot, options.procRoot, anyChip);
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
  const { sysfsRoot, devRoot, amdSmi, env, timeout = 10_000, signal } = options;
  const sysfs = readSysfs(kernelFiles(), sysfsRoot, devRoot);
  if (sysfs.devices.length > 0) {
    return takeInventory("sysfs", applyVisibility(sysfs.devices, "sysfs", env), sysfs.warnings, []);
  }
  const smi = await readAmdSmi(amdSmi, { timeout, env, signal });
  const gpus = applyVisibility(smi.devices, "amd-smi", env);
  const reasons = [sysfs.reason, smi.reason].filter((reason) => reason !== null);
  return takeInventory("amd-smi", gpus, [...sysfs.warnings, ...smi.warnings], reasons);
}
