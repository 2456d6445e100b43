import type { Gpu, GpuInventory } from "../gpu/types.ts";
import { formatBytes } from "./format.ts";
import { style } from "./style.ts";

/** What was found as a table for people, with warnings and reasons below it. */
export function gpuTable(inventory: GpuInventory, options: { colour: boolean }): string {
  const { bold, green, yellow } = style(options.colour);
  const lines: string[] = [];
  if (inventory.gpus.length > 0) {
    const rows = [
      COLUMNS.map((column) => column.title),
      ...inventory.gpus.map((gpu) => COLUMNS.map((c) => c.cell(gpu))),
    ];
    const widths = COLUMNS.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? "").length)));
    const text = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ").trimEnd());
    lines.push(bold(text[0] ?? ""));
    inventory.gpus.forEach((gpu, at) =>
      lines.push(gpu.visible ? green(text[at + 1] ?? "") : yellow(text[at + 1] ?? ""))
    );
  }
  lines.push(summary(inventory));
  lines.push(...inventory.warnings.map((warning) => yellow(`warning: ${warning}`)));
  if (inventory.model === null) lines.push(...inventory.reasons.map((reason) => `- ${reason}`));
  return `${lines.join("\n")}\n`;
}

function summary({ source, model, count, partitioned, gpus, cpu }: GpuInventory): string {
  if (cpu !== null) return `${model} (${cpu.name}): ${cpu.cores} of ${cpu.nodeCores} cores, from ${source}`;
  if (model !== null) return `${count} x ${model}${partitioned ? " partition" : ""}, from ${source}`;
  return gpus.length === 0 ? "no GPU found:" : "no GPU that this container can use:";
}

const COLUMNS: readonly { readonly title: string; cell(gpu: Gpu): string }[] = [
  { title: "GPU", cell: (gpu) => String(gpu.index) },
  { title: "MODEL", cell: (gpu) => gpu.model },
  { title: "ID", cell: (gpu) => gpu.deviceId ?? "-" },
  { title: "PCI", cell: (gpu) => gpu.pciAddress ?? "-" },
  { title: "RENDER NODE", cell: (gpu) => gpu.renderNode ?? "-" },
  { title: "VRAM", cell: (gpu) => gpu.vramTotal === null ? "-" : formatBytes(gpu.vramTotal) },
  { title: "USED", cell: (gpu) => gpu.vramUsed === null ? "-" : formatBytes(gpu.vramUsed) },
  { title: "BUSY", cell: (gpu) => gpu.busyPercent === null ? "-" : `${gpu.busyPercent} %` },
  { title: "PARTITION", cell: partitionOf },
  { title: "SOURCE", cell: (gpu) => gpu.source },
  { title: "VISIBLE", cell: (gpu) => gpu.visible ? "yes" : `no: ${gpu.hiddenBecause}` },
];

function partitionOf({ partition }: Gpu): string {
  return partition === null
    ? "-"
    : `${partition.compute}/${partition.memory} ${partition.index + 1} of ${partition.count}`;
}
