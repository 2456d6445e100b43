import { assert, assertEquals } from "@std/assert";
import { gpuTable } from "../../src/cli/gpu_table.ts";
import { withStyles } from "../../src/cli/style.ts";
import { clip, table } from "../../src/cli/table.ts";
import type { Gpu } from "../../src/gpu/types.ts";

const COLUMNS = [
  { title: "NAME", text: (row: string) => row, least: 8 },
  { title: "LENGTH", text: (row: string) => String(row.length), right: true },
  { title: "UPPER", text: (row: string) => row.toUpperCase(), expendable: 1 },
];
const ROWS = ["meta-llama/Llama-3.1-8B-Instruct", "gpt"];
const plain = (width: number) => table(COLUMNS, ROWS, width).map((line) => withStyles(line, false));

Deno.test("columns are shortened first, then dropped, and no line is wider than the terminal", () => {
  const titles = (width: number) => plain(width)[0]?.trim().split(/ {2,}/);
  assertEquals(titles(Infinity), ["NAME", "LENGTH", "UPPER"]);
  assertEquals(titles(60), ["NAME", "LENGTH", "UPPER"]);
  assertEquals(titles(30), ["NAME", "LENGTH"]);
  for (let width = 1; width < 90; width++) {
    for (const line of plain(width)) {
      assert(line.length <= width, `${width}: ${line}`);
    }
  }
  assertEquals(plain(18).map((line) => line.split(/ {2,}/)[0]), [
    "NAME",
    "meta-lla..",
    "gpt",
  ]);
});

Deno.test("a shortened value has two dots", () => {
  assertEquals([clip("abcdef", 6), clip("abcdef", 5), clip("abcdef", 2), clip("abcdef", 0)], [
    "abcdef",
    "abc..",
    "ab",
    "",
  ]);
});

Deno.test("the table of GPUs fits terminals of 120, 80, 60 and 40 columns", () => {
  const gpus = Array.from({ length: 8 }, (_, index): Gpu => ({
    index,
    hipIndex: index,
    model: "MI300X",
    deviceId: "0x74a1",
    pciAddress: "0000:c1:00.0",
    uuid: null,
    renderNode: `/dev/dri/renderD${128 + index}`,
    vramTotal: 206141652992,
    vramUsed: 297 * 2 ** 20,
    busyPercent: 0,
    partition: null,
    visible: index < 6,
    hiddenBecause: index < 6
      ? null
      : `/dev/dri/renderD${128 + index} does not exist (give it --device=/dev/dri)`,
    source: "sysfs",
  }));
  const inventory = {
    source: "sysfs",
    type: "gpu",
    cpu: null,
    gpus,
    model: "MI300X",
    count: 6,
    partitioned: false,
    warnings: [],
    reasons: [],
  } as const;
  for (const width of [120, 80, 60, 40]) {
    const page = withStyles(gpuTable(inventory, width), false);
    for (const line of page.split("\n")) assert(line.length <= width, `${width}: ${line}`);
    assert(page.includes("USABLE") && page.includes("VRAM") && page.includes("GPUs 6-7"), page);
  }
});
