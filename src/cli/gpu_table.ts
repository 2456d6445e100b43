import type { Gpu, GpuInventory } from "../gpu/types.ts";
import { formatBytes } from "./format.ts";
import { hiddenGpus } from "./hidden_gpus.ts";
import { wrap } from "./render_help.ts";
import { style } from "./style.ts";
import { type Column, table } from "./table.ts";

/** The GPUs as a table, with hidden GPUs, warnings and reasons below it. */
export function gpuTable(inventory: GpuInventory, options: { colour: boolean; width: number }): string {
  const { green, yellow } = style(options.colour);
  const note = (text: string) =>
    wrap(text, options.width - 2).map((line, at) => (at === 0 ? line : `  ${line}`));
  const paint = (gpu: Gpu, line: string) => (gpu.visible ? green(line) : yellow(line));
  const { gpus, model, warnings, reasons } = inventory;
  const lines = [
    ...gpus.length === 0 ? [] : table(COLUMNS, gpus, { ...options, paint }),
    summary(inventory),
    ...hiddenGpus(gpus).flatMap((text) => note(`- ${text}`)),
    ...warnings.flatMap((warning) => note(`warning: ${warning}`).map(yellow)),
    ...gpus.length === 0 && model === null ? reasons.flatMap((reason) => note(`- ${reason}`)) : [],
  ];
  return `${lines.join("\n")}\n`;
}

function summary({ source, model, count, partitioned, gpus, cpu }: GpuInventory): string {
  if (cpu !== null) return `${model} (${cpu.name}): ${cpu.cores} of ${cpu.nodeCores} cores, from ${source}`;
  if (model !== null) return `${count} x ${model}${partitioned ? " partition" : ""}, from ${source}`;
  return gpus.length === 0 ? "no GPU found:" : "no GPU that this container can use:";
}

const COLUMNS: readonly Column<Gpu>[] = [
  { title: "GPU", text: (gpu) => String(gpu.index), right: true },
  { title: "MODEL", text: (gpu) => gpu.model },
  { title: "ID", text: (gpu) => gpu.deviceId ?? "-", expendable: 5 },
  { title: "PCI", text: (gpu) => gpu.pciAddress ?? "-", expendable: 4 },
  { title: "RENDER NODE", text: (gpu) => gpu.renderNode ?? "-", expendable: 3 },
  { title: "VRAM", text: (gpu) => gpu.vramTotal === null ? "-" : formatBytes(gpu.vramTotal), right: true },
  {
    title: "USED",
    text: (gpu) => gpu.vramUsed === null ? "-" : formatBytes(gpu.vramUsed),
    expendable: 1,
    right: true,
  },
  {
    title: "BUSY",
    text: (gpu) => gpu.busyPercent === null ? "-" : `${gpu.busyPercent} %`,
    expendable: 2,
    right: true,
  },
  { title: "PARTITION", text: partitionOf, expendable: 6 },
  { title: "SOURCE", text: (gpu) => gpu.source, expendable: 7 },
  { title: "USABLE", text: (gpu) => gpu.visible ? "yes" : "no" },
];

function partitionOf({ partition }: Gpu): string {
  return partition === null
    ? "-"
    : `${partition.compute}/${partition.memory} ${partition.index + 1} of ${partition.count}`;
}
