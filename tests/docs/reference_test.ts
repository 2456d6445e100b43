import { assertEquals } from "@std/assert";
import { PAGES, referenceTables, withTables } from "./reference.ts";

Deno.test("the reference tables are up to date, each on one page", async () => {
  const tables = await referenceTables();
  const pages = await Promise.all(
    PAGES.map((page) => Deno.readTextFile(new URL(`../../${page}`, import.meta.url))),
  );
  for (const name of Object.keys(tables)) {
    assertEquals(pages.filter((text) => text.includes(`<!-- BEGIN ${name} -->`)).length, 1, name);
  }
  const stale = PAGES.filter((_, at) => pages[at] !== withTables(pages[at] ?? "", tables));
  assertEquals(stale, [], "run deno run -P tests/docs/reference.ts");
});

Deno.test("a table replaces only the text between its marks", () => {
  const before = "a\n<!-- BEGIN t -->\nold\n<!-- END t -->\nb <!-- BEGIN u -->";
  const after = "a\n<!-- BEGIN t -->\n\nnew\n\n<!-- END t -->\nb <!-- BEGIN u -->";
  assertEquals(withTables(before, { t: "new", u: "x" }), after);
  assertEquals(withTables(after, { t: "new" }), after);
});
