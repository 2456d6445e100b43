import { assertEquals, assertThrows } from "@std/assert";
import type { ListedFolder, ListedModel } from "../../src/cache/list_models.ts";
import { parseFilter, sortFolders } from "../../src/cli/commands/cache_list.ts";
import { parseAge } from "../../src/config/parse_setting.ts";
import { serverOf } from "../../src/cli/commands/cache_prune.ts";
import { AimError } from "../../src/errors/aim_error.ts";

const NOW = Date.parse("2026-11-26T00:00:00Z");
const DAY = 86_400_000;

function folder(
  name: string,
  gib: number,
  daysAgo: number,
  state: ListedModel["state"] = "complete",
): ListedFolder {
  const shared = { name, layout: "local", path: `/cache/${name}` } as const;
  const model: ListedModel = {
    ...shared,
    revision: null,
    commit: null,
    state,
    reason: "",
    files: 1,
    bytes: 1,
  };
  return { ...shared, diskBytes: gib * 2 ** 30, lastUsed: NOW - daysAgo * DAY, models: [model] };
}

const FOLDERS = [folder("b/small", 1, 40), folder("a/large", 40, 2), folder("c/part", 5, 0, "partial")];

Deno.test("models are filtered by size, age, name, state and layout", () => {
  const cases: readonly (readonly [string, string[]])[] = [
    ["size>10GiB", ["a/large"]],
    ["size <= 5GiB", ["b/small", "c/part"]],
    ["used>30d", ["b/small"]],
    ["used<24h", ["c/part"]],
    ["name=A/*", ["a/large"]],
    ["state=partial", ["c/part"]],
    ["layout=hub", []],
  ];
  for (const [text, names] of cases) {
    const test = parseFilter(text);
    assertEquals(FOLDERS.filter((one) => test(one, NOW)).map((one) => one.name), names, text);
  }
});

Deno.test("an invalid filter is a usage error", () => {
  for (const text of ["size", "size>large", "used>30", "name>x", "colour=red", ""]) {
    assertEquals(assertThrows(() => parseFilter(text), AimError).exitCode, 2, text);
  }
});

Deno.test("models are sorted by name, size and last use", () => {
  const sorted = (key: string) => sortFolders(FOLDERS, key).map((one) => one.name);
  assertEquals(sorted("name"), ["a/large", "b/small", "c/part"]);
  assertEquals(sorted("size"), ["a/large", "c/part", "b/small"]);
  assertEquals(sorted("used"), ["c/part", "a/large", "b/small"]);
});

Deno.test("an age has a number and a unit", () => {
  assertEquals([parseAge("90m"), parseAge("12h"), parseAge("1.5d"), parseAge("2w")], [
    5.4e6,
    4.32e7,
    1.296e8,
    1.2096e9,
  ]);
  for (const text of ["30", "d", "-1d", "30 days"]) assertEquals(parseAge(text), null, text);
});

Deno.test("a process that serves a model is found by its name and by its path", () => {
  const path = "/cache/org/m";
  const server = (...words: string[]) => serverOf([{ pid: 7, words }], { name: "org/m", path });
  for (const model of ["org/m", path, `${path}/snapshots/abc`]) {
    assertEquals([server("python", "--model", model), server(`--model=${model}`)], [
      "process 7",
      "process 7",
    ]);
  }
  assertEquals([server("--model", "org/m2"), server("--model", `${path}2`), server("org/m")], [
    null,
    null,
    null,
  ]);
});
