import { assert, assertEquals } from "@std/assert";
import { referenceTables, withTables } from "./reference.ts";

const README = new URL("../../README.md", import.meta.url);

Deno.test("the README's reference tables are those of the program", async () => {
  const text = await Deno.readTextFile(README);
  const tables = await referenceTables();
  for (const name of Object.keys(tables)) {
    assert(text.includes(`<!-- BEGIN ${name} -->`), `README.md has no table ${name}`);
  }
  assertEquals(text, withTables(text, tables), "run deno run -P tests/docs/reference.ts");
});

Deno.test("a table replaces what stands between its marks, and nothing else", () => {
  const before = "a\n<!-- BEGIN t -->\nold\n<!-- END t -->\nb <!-- BEGIN u -->";
  const after = "a\n<!-- BEGIN t -->\n\nnew\n\n<!-- END t -->\nb <!-- BEGIN u -->";
  assertEquals(withTables(before, { t: "new", u: "x" }), after);
  assertEquals(withTables(after, { t: "new" }), after);
});
