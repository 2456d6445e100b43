import { assertEquals, assertThrows } from "@std/assert";
import { addRelease, type ParserDescription } from "../vllm/add_release.ts";

const EMPTY = { releases: "", options: {}, variables: {} };

function parser(options: Record<string, string>, variables: readonly string[] = []): ParserDescription {
  const described = Object.entries(options).map(([name, kind]) => [name, { kind, choices: null, long: "" }]);
  return { options: Object.fromEntries(described), fields: {}, variables };
}

Deno.test("a release extends the ranges of existing arguments, ends those of removed ones and starts those of new ones", () => {
  const older = addRelease(EMPTY, "0.9.0", parser({ "--dtype": "text", "--swap-space": "float" }, ["A"]));
  const table = addRelease(older, "0.10.0", parser({ "--dtype": "text", "--nnodes": "int" }, ["A", "B"]));
  assertEquals(table, {
    releases: "0.9.0 0.10.0",
    options: { "dtype": "0.9.0- text", "nnodes": "0.10.0- int", "swap-space": "0.9.0-0.9.0 float" },
    variables: { A: "0.9.0-", B: "0.10.0-" },
  });
});

Deno.test("adding the newest release again changes nothing; other arguments for it, or an older release, are refused", () => {
  const table = addRelease(EMPTY, "0.10.0", parser({ "--dtype": "text" }));
  assertEquals(addRelease(table, "0.10.0", parser({ "--dtype": "text" })), table);
  assertThrows(() => addRelease(table, "0.10.0", parser({ "--dtype": "int" })), Error, "0.10.0");
  assertThrows(() => addRelease(table, "0.9.2", parser({ "--dtype": "text" })), Error, "0.9.2");
  assertThrows(() => addRelease(table, "newest", parser({})), Error, "newest");
});
