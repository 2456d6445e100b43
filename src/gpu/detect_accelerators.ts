import { kernelFiles } from "../os/kernel_files.ts";
import { typeOfAccelerator } from "./accelerator_name.ts";
import { detectCpu } from "./detect_cpu.ts";
import { detectGpus, type DetectGpusOptions } from "./detect_gpus.ts";
import type { Gpu, GpuInventory } from "./types.ts";

/** What to look for, and where. */
export interface DetectOptions extends DetectGpusOptions {
  /** `/proc`. */
  readonly procRoot: string;
  readonly type: "gpu" | "cpu";
  /** `cpu` and the families of GPUs: an EPYC is treated as any other processor. `null`: not set. */
  readonly family: "instinct" | "radeon" | "epyc" | "cpu" | null;
  /** A model that was named: no GPU is looked at, and its own type counts. */
  readonly model: string | null;
  /** A count that was named with it. @default {1} */
  readonly count: number | null;
}

/**
 * The GPUs, or the processor, that this process can use. Never throws: what is odd about the hardware is in
 * the result.
 */
export async function detectAccelerators(options: DetectOptions): Promise<GpuInventory> {
  const { model, family } = options;
  const type = model === null ? options.type : typeOfAccelerator(model);
  if (type === "gpu") return model === null ? await detectGpus(options) : named(model, options.count ?? 1);
  const files = options.files ?? kernelFiles();
  const cpu = detectCpu(
    files,
    { sys: options.sysRoot, proc: options.procRoot },
    family !== null && family !== "epyc",
  );
  return {
    ...named(model ?? cpu.model, options.count ?? cpu.cores),
    type,
    source: model === null ? "cpuinfo" : "override",
    gpus: [],
    cpu,
  };
}

function named(model: string, count: number): GpuInventory {
  const gpu = (index: number): Gpu => ({
    index,
    hipIndex: null,
    model,
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
    type: "gpu",
    source: "override",
    gpus: Array.from({ length: count }, (_, index) => gpu(index)),
    cpu: null,
    model,
    count,
    partitioned: false,
    warnings: [],
    reasons: [],
  };
}
