import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { renderTerminal, terminalLines } from "./terminal_svg.ts";

const text = (output: string, columns = 80) =>
  terminalLines(output, columns).map((line) => line.map((span) => span.text).join(""));

Deno.test("redrawn lines are shown once, in their final state", () => {
  assertEquals(text("a\r\n 0%\r\n\x1b[1A\r\x1b[J 50%\r\n\x1b[1A\r\x1b[Jdone\r\nb\r\n"), ["a", "done", "b"]);
});

Deno.test("long lines are wrapped, and styles continue on the next line", () => {
  const lines = terminalLines("\x1b[1mabcdef\x1b[0mgh\n", 4);
  assertEquals(lines, [
    [{ text: "abcd", style: [1] }],
    [{ text: "ef", style: [1] }, { text: "gh", style: [] }],
  ]);
});

Deno.test("XML's special characters are escaped", () => {
  const svg = renderTerminal(terminalLines("a <b> & \x1b[31mc\x1b[0m\n", 80), { columns: 80, rows: 2 });
  assertStringIncludes(svg, 'a &lt;b&gt; &amp; <tspan class="r">c</tspan>');
});

Deno.test("the README's recording has the commands of the demo", async () => {
  const svg = await Deno.readTextFile(new URL("demo.svg", import.meta.url));
  const demo = await Deno.readTextFile(new URL("demo.ts", import.meta.url));
  const commands = [...demo.matchAll(/shell\.aim\(\s*"([a-z-]+)"/g)].map((match) => match[1] ?? "");
  assert(commands.length > 5);
  for (const command of commands) assertStringIncludes(svg, `$ aim ${command}`);
  assert(!/[0-9a-f]{16}\/cache|\/root|\/home/.test(svg));
});
