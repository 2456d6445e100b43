import { assertEquals } from "@std/assert";
import { nearest } from "../../src/config/nearest.ts";

const COMMANDS = ["serve", "dry-run", "list-profiles", "download-to-cache", "gpus", "resolve", "cache list"];

Deno.test("the nearest spelling is found for typos, swapped letters and prefixes, but not for unrelated words", () => {
  const cases: [string, string | null][] = [
    ["sevre", "serve"],
    ["dry-rn", "dry-run"],
    ["dryrun", "dry-run"],
    ["GPUS", "gpus"],
    ["gpu", "gpus"],
    ["list", "list-profiles"],
    ["download", "download-to-cache"],
    ["download-to-cahce", "download-to-cache"],
    ["resolv", "resolve"],
    ["frobnicate", null],
    ["xy", null],
    ["", null],
  ];
  for (const [word, expected] of cases) assertEquals(nearest(word, COMMANDS), expected, word);
});

Deno.test("the nearest of several is the one with the fewest edits, the first of equals", () => {
  assertEquals(nearest("fp15", ["fp4", "fp8", "fp16"]), "fp16");
  assertEquals(nearest("fp9", ["fp4", "fp8"]), "fp4");
  assertEquals(nearest("anything", []), null);
});
