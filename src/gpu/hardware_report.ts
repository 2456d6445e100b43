import { isBusy } from "./take_inventory.ts";
import { UNKNOWN_MODEL } from "./accelerators.ts";
import type { Gpu, GpuInventory } from "./types.ts";

/** An entry of AMD's `detect-hardware`. */
export interface HardwareReport {
  readonly accelerator_type: string;
  readonly accelerator_model: string;
  readonly accelerator_count: number;
  readonly [detail: string]: unknown;
}

/**
 * The hardware of an inventory in the shape that AMD's node labeller reads; `null` if there is none with a
 * known name. Of partitioned GPUs the whole ones are counted, of a processor all cores of the host.
 *
 * @param details Also AMD's details of each GPU and of the processor; the type is in lower case then.
 */
export function hardwareReport(inventory: GpuInventory, details: boolean): HardwareReport | null {
  const { type, model, gpus, cpu } = inventory;
  if (model === null || model === UNKNOWN_MODEL) return null;
  const visible = gpus.filter((gpu) => gpu.visible && gpu.model === model);
  const report = {
    accelerator_type: details ? type : type.toUpperCase(),
    accelerator_model: model,
    accelerator_count: cpu?.nodeCores ?? visible.filter((gpu) => (gpu.partition?.index ?? 0) === 0).length,
  };
  if (!details) return report;
  if (cpu === null) return { ...report, gpu_info: visible.map(gpuInfo) };
  return {
    ...report,
    cpu_info: {
      vendor: cpu.vendor,
      model: cpu.model,
      model_number: cpu.chip,
      physical_cores: cpu.nodeCores,
      available_cores: cpu.cores,
      cpuset_bind: cpu.cpuset,
      node_cores: cpu.nodeCores,
    },
    cpu_cores: cpu.cores,
    node_cores: cpu.nodeCores,
    cpuset_bind: cpu.cpuset,
  };
}

/** Memory in MiB, which AMD's tools call MB. */
function gpuInfo(gpu: Gpu): Record<string, unknown> {
  const mega = (bytes: number | null) => bytes === null ? null : Math.floor(bytes / 2 ** 20);
  const [total, used] = [gpu.vramTotal, gpu.vramUsed];
  return {
    device_id: gpu.deviceId,
    model: gpu.model,
    vram_total: mega(total),
    vram_used: mega(used),
    vram_free: mega(total === null || used === null ? null : total - used),
    gfx_utilization: gpu.busyPercent,
    mem_utilization: total === null || used === null || total === 0
      ? null
      : Math.round(used / total * 1000) / 10,
    is_idle: !isBusy(gpu),
  };
}
