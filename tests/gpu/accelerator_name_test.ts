import { assertEquals } from "@std/assert";
import {
  ACCELERATOR_NAMES,
  acceleratorName,
  modelOf,
  typeOfAccelerator,
  vramBytesOf,
} from "../../src/gpu/accelerators.ts";

const NAMES: readonly [string, string | null][] = [
  ["MI300X", "MI300X"],
  ["mi300x", "MI300X"],
  ['"MI300X"', "MI300X"],
  ["'mi355x'", "MI355X"],
  [" AMD Instinct MI300X ", "MI300X"],
  ["AMD Instinct MI325X OAM", "MI325X"],
  ["AMD Instinct(TM) MI250X", "MI250X"],
  ["instinct-mi210", "MI210"],
  ["AMD Radeon AI PRO R9700", "R9700"],
  ["AMD Radeon PRO W7900", "W7900"],
  ["Radeon RX 7900 XTX", "RX7900"],
  ["0x74a1", "MI300X"],
  ["0x7551", "R9700"],
  ["9965", "EPYC_9965"],
  ["AMD EPYC 9654P", "EPYC_ZEN4"],
  ["epyc_zen5", "EPYC_ZEN5"],
  ["EPYC ZEN4", "EPYC_ZEN4"],
  ["9J14", "EPYC_ZEN4"],
  ["cpu", "CPU"],
  ["MI300", null],
  ["H100", null],
  ["0x1234", null],
  ["9999", null],
  ["RX1234", null],
  ["", null],
  ["NONE", null],
];

Deno.test("accelerator names are recognised in the spellings of people and tools", () => {
  for (const [text, name] of NAMES) assertEquals(acceleratorName(text), name, text);
});

Deno.test("every canonical name maps to itself, and every GPU has a memory size and device ids", () => {
  for (const name of ACCELERATOR_NAMES) {
    assertEquals(acceleratorName(name), name);
    assertEquals(vramBytesOf(name) === null, typeOfAccelerator(name) === "cpu", name);
  }
  assertEquals(vramBytesOf("MI300X"), 192 * 2 ** 30);
  assertEquals(["0x75a8", "0x7551", "0x744B", "0x744a", "0xffff"].map(modelOf), [
    "MI350P",
    "R9700",
    "W7900",
    "W7900",
    "UNKNOWN",
  ]);
  assertEquals(modelOf(null), "UNKNOWN");
});
