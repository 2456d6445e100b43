import { detectAccelerators } from "../../gpu/detect_accelerators.ts";
import { UNKNOWN_MODEL } from "../../gpu/accelerators.ts";
import { isBusy } from "../../gpu/take_inventory.ts";
import type { Gpu, GpuInventory } from "../../gpu/types.ts";
import { readJson } from "../../values/read_json.ts";
import { isList } from "../../values/value.ts";
import { writeYaml } from "../../values/write_yaml.ts";
import { command } from "../command.ts";

/** AMD's command for its node labeller: reports the host's hardware, regardless of settings. */
export const detectHardwareCommand = command<readonly GpuInventory[]>({
  usage: "detect-hardware",
  summary: "print this host's accelerators in the form that AMD's node labeller reads",
  settings: ["sysfsRoot", "devRoot", "procRoot", "amdSmi"],
  flags: {
    "--type all|gpu|cpu": "what to look for",
    "--format json|yaml": "output format; the list is empty if no known accelerator is found",
    "-v|--verbose": "also print the state of each GPU and of the processor",
  },
  examples: {
    "aim detect-hardware": "GPUs and the processor",
    "aim detect-hardware --type cpu": "the processor, and the cores of the host",
    "aim detect-hardware --type gpu --format yaml -v": "each GPU with its memory and load",
  },
  async prepare({ config, flags, signal }) {
    const types = (["gpu", "cpu"] as const).filter((type) => flags.type === "all" || flags.type === type);
    const found = await Promise.all(types.map((type) =>
      detectAccelerators({
        ...config,
        signal,
        // Settings and variables that hide GPUs from a process do not change the host's hardware.
        env: {},
        acceleratorType: type,
        acceleratorFamily: null,
        acceleratorModel: null,
        acceleratorCount: "auto",
      })
    ));
    signal.throwIfAborted();
    return found;
  },
  run({ flags, print }, found) {
    const entries = found.flatMap((one) => entriesOf(one, flags.verbose === true));
    const json = JSON.stringify(entries, null, 2);
    const value = readJson(json);
    print(flags.format === "yaml" && isList(value) ? writeYaml(value) : `${json}\n`);
  },
});

/**
 * An entry of the list; none for hardware without a known name. Counts GPUs, not their partitions, and all
 * cores of the host.
 *
 * @param details Adds AMD's details of each GPU and of the processor; the type is then in lower case.
 */
function entriesOf({ type, model, gpus, cpu }: GpuInventory, details: boolean): Record<string, unknown>[] {
  if (model === null || model === UNKNOWN_MODEL) return [];
  const visible = gpus.filter((gpu) => gpu.visible && gpu.model === model);
  const report = {
    accelerator_type: details ? type : type.toUpperCase(),
    accelerator_model: model,
    accelerator_count: cpu?.nodeCores ?? visible.filter((gpu) => (gpu.partition?.index ?? 0) === 0).length,
  };
  if (!details) return [report];
  if (cpu === null) return [{ ...report, gpu_info: visible.map(gpuInfo) }];
  return [{
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
  }];
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
