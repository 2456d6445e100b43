import type { Gpu, GpuInventory } from "../../gpu/types.ts";
import type { Command } from "../command.ts";
import { detectHardware, HARDWARE_SETTINGS } from "../detect_hardware.ts";
import { gpuTable } from "../gpu_table.ts";
import { jsonReport } from "../json_report.ts";
import { formatFlag } from "../format_flag.ts";

/** `aim gpus`: what was detected, from which source, and what is visible to this container. */
export const gpus: Command<GpuInventory> = {
  name: "gpus",
  summary: "show the GPUs, how they were found, and which ones this container can use",
  positionals: [],
  settings: HARDWARE_SETTINGS,
  flags: [formatFlag("table", "json")],
  examples: {
    "aim gpus": "a table",
    "aim gpus --format json": "the same for programs",
    "aim gpus --gpu-model MI300X --gpu-count 2": "what the other commands assume with these settings",
  },
  permissions: { write: false, net: false, run: false, ffi: false },
  prepare: detectHardware,
  run({ flags, prepared, print, stdout }) {
    print(
      flags.format === "json"
        ? jsonReport({ ...prepared, gpus: prepared.gpus.map(withUnits) })
        : gpuTable(prepared, { colour: stdout.colour, width: stdout.columns }),
    );
  },
};

/** Names of sizes contain the unit. */
function withUnits({ vramTotal, vramUsed, ...gpu }: Gpu): unknown {
  return { ...gpu, vramTotalBytes: vramTotal, vramUsedBytes: vramUsed };
}
