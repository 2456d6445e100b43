import { settingsIn } from "../../config/settings.ts";
import type { Gpu, GpuInventory } from "../../gpu/types.ts";
import { detectHardware } from "../detect_hardware.ts";
import { gpuTable } from "../gpu_table.ts";
import { command } from "../command.ts";

export const gpus = command<GpuInventory>({
  usage: "gpus",
  summary: "show the GPUs, how they were found, and which ones this container can use",
  settings: settingsIn("gpu"),
  flags: { "--format table|json": "output format" },
  examples: {
    "aim gpus": "a table",
    "aim gpus --format json": "the same as JSON",
    "aim gpus --gpu-model MI300X --gpu-count 2": "what other commands assume with these settings",
  },
  prepare: detectHardware,
  run({ report, stdout }, found) {
    report({ ...found, gpus: found.gpus.map(withUnits) }, () => gpuTable(found, stdout.width));
  },
});

/** Adds the unit to the names of sizes. */
function withUnits({ vramTotal, vramUsed, ...gpu }: Gpu): unknown {
  return { ...gpu, vramTotalBytes: vramTotal, vramUsedBytes: vramUsed };
}
