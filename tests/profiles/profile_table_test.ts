import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type ProfileRow, profileTable } from "../../src/cli/profile_listing.ts";
import { withStyles } from "../../src/cli/style.ts";
import { judge } from "../../src/profiles/judge.ts";
import { makeCriteria, makeProfile } from "./make_profile.ts";

const rows: ProfileRow[] = judge([
  makeProfile({ id: "vllm-mi300x-fp16-tp1-latency" }),
  makeProfile({
    id: "vllm-mi325x-fp16-tp8-latency",
    metadata: { acceleratorModel: "MI325X", acceleratorCount: 8 },
  }),
], makeCriteria()).map((judged, index) => ({ ...judged, selected: index === 0 }));

Deno.test("without a terminal, a table has its full width", () => {
  const text = profileTable(rows, Infinity, true);
  for (const word of ["PRECISION", "REASON", "MODEL", "PATH", "needs MI325X; this host has MI300X"]) {
    assertStringIncludes(text, word);
  }
});

Deno.test("no line is wider than the terminal, and id and state are always shown", () => {
  for (let width = 56; width < 220; width++) {
    const lines = withStyles(profileTable(rows, width, true), false).split("\n");
    for (const line of lines) assert([...line].length <= width, `${line.length} > ${width}: ${line}`);
    assertStringIncludes(lines[1] ?? "", "vllm-mi300x-fp16-tp1-latency");
    assertStringIncludes(lines[2] ?? "", "accelerator_mismatch");
  }
});

Deno.test("a narrower terminal never shows more columns", () => {
  const columns = (width: number) =>
    withStyles(profileTable(rows, width, true), false).split("\n")[0]?.trim().split(/ {2,}/)
      .length ?? 0;
  for (let width = 40; width < 220; width++) assert(columns(width) <= columns(width + 1));
  assertEquals(columns(40), 2);
});

Deno.test("colour does not change the text", () => {
  const text = profileTable(rows, 120, false);
  const coloured = withStyles(text, true);
  // deno-lint-ignore no-control-regex
  const sequences = /\x1b\[\d+m/g;
  assert(sequences.test(coloured));
  assertEquals(coloured.replace(sequences, ""), withStyles(text, false));
});
