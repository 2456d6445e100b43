import type { Gpu, GpuInventory } from "../gpu/types.ts";
import { formatBytes } from "./format.ts";
import { wrap } from "./render_help.ts";
import { green, yellow } from "./style.ts";
import { type Column, table } from "./table.ts";

/** The GPUs as a table, with hidden GPUs, warnings and reasons below it. */
export function gpuTable(inventory: GpuInventory, width: number): string {
  const note = (text: string) => wrap(text, width - 2).map((line, at) => (at === 0 ? line : `  ${line}`));
  const paint = (gpu: Gpu, line: string) => (gpu.visible ? green(line) : yellow(line));
  const { gpus, model, warnings, reasons } = inventory;
  const lines = [
    ...table(COLUMNS, gpus, width, paint),
    inventoryInWords(inventory),
    ...hiddenGpus(gpus).flatMap((text) => note(`- ${text}`)),
    ...warnings.flatMap((warning) => note(`warning: ${warning}`).map(yellow)),
    ...gpus.length === 0 && model === null ? reasons.flatMap((reason) => note(`- ${reason}`)) : [],
  ];
  return `${lines.join("\n")}\n`;
}

/** What was found, in one line. */
export function inventoryInWords({ source, model, count, partitioned, gpus, cpu }: GpuInventory): string {
  if (cpu !== null) return `${model} (${cpu.name}): ${cpu.cores} of ${cpu.nodeCores} cores, from ${source}`;
  const from = source === "override" ? "set by AIM_GPU_MODEL" : `from ${source}`;
  if (model !== null) return `${count} x ${model}${partitioned ? " partition" : ""}, ${from}`;
  return gpus.length === 0 ? "no GPU found:" : "no GPU that this container can use:";
}

const COLUMNS: readonly Column<Gpu>[] = [
  { title: "GPU", text: (gpu) => String(gpu.index), right: true },
  { title: "MODEL", text: (gpu) => gpu.model },
  { title: "ID", text: (gpu) => gpu.deviceId ?? "-", expendable: 5 },
  { title: "PCI", text: (gpu) => gpu.pciAddress ?? "-", expendable: 4 },
  { title: "RENDER NODE", text: (gpu) => gpu.renderNode ?? "-", expendable: 3 },
  { title: "VRAM", text: (gpu) => orDash(gpu.vramTotal, formatBytes), right: true },
  { title: "USED", text: (gpu) => orDash(gpu.vramUsed, formatBytes), expendable: 1, right: true },
  {
    title: "BUSY",
    text: (gpu) => orDash(gpu.busyPercent, (busy) => `${busy} %`),
    expendable: 2,
    right: true,
  },
  { title: "PARTITION", text: partitionOf, expendable: 6 },
  { title: "SOURCE", text: (gpu) => gpu.source, expendable: 7 },
  { title: "USABLE", text: (gpu) => gpu.visible ? "yes" : "no" },
];

function partitionOf({ partition }: Gpu): string {
  return orDash(partition, (one) => `${one.compute}/${one.memory} ${one.index + 1} of ${one.count}`);
}

function orDash<T>(value: T | null, show: (value: T) => string): string {
  return value === null ? "-" : show(value);
}

/** The GPUs that this container cannot use, and why: a line for each reason, such as `GPUs 1-7: ...`. */
export function hiddenGpus(gpus: readonly Gpu[]): string[] {
  return grouped(
    gpus.flatMap(({ index, hiddenBecause }) =>
      hiddenBecause === null ? [] : [`GPU ${index}: ${hiddenBecause}`]
    ),
  );
}

/** Merges lines about single GPUs that differ only in the GPU, its render node and its load. */
export function grouped(lines: readonly string[]): string[] {
  const alike = (line: string) =>
    line.replace(/^GPU \d+/, "").replaceAll(/renderD\d+/g, "renderD*").replace(/ is busy: .*/s, " are busy");
  return [...Map.groupBy(lines, alike)].flatMap(([rest, group]) => {
    const numbers = group.flatMap((line) => /^GPU (\d+)/.exec(line)?.[1] ?? []).map(Number);
    return numbers.length > 1 ? [`GPUs ${ranges(numbers)}${rest}`] : group;
  });
}

/** `0-3, 6`. */
function ranges(numbers: readonly number[]): string {
  const found: [number, number][] = [];
  for (const n of numbers) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === n - 1) last[1] = n;
    else found.push([n, n]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
}
