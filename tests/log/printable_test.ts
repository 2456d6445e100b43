import { assertEquals } from "@std/assert";
import { configureLog, log } from "../../src/log/logger.ts";
import { printable } from "../../src/log/printable.ts";
import { keepSecret } from "../../src/log/redact.ts";

const HOSTILE = "a\x1b]0;t\x07\x7f\x9b2J\u202eb\u2066\u200f\u2028\r\n\tz";
const SAFE = "a\\u001b]0;t\\u0007\\u007f\\u009b2J\\u202eb\\u2066\\u200f\\u2028\\r\\n\\tz";

Deno.test("C0, DEL, C1, bidirectional and line controls are escaped; other text is unchanged", () => {
  assertEquals(printable(HOSTILE), SAFE);
  assertEquals(printable("ümläut 😀 日本語 עברית \ue000"), "ümläut 😀 日本語 עברית \ue000");
  assertEquals(printable("a\nb\tc\x1b", "\n\t"), "a\nb\tc\\u001b");
});

Deno.test("escaped text inside JSON parses to the original", () => {
  assertEquals(JSON.parse(printable(JSON.stringify({ [HOSTILE]: HOSTILE }))), { [HOSTILE]: HOSTILE });
});

/** The lines that a call logs. */
function logged(format: "text" | "json", call: () => void): string {
  const lines: string[] = [];
  configureLog({ level: "INFO", format, write: (line) => lines.push(line), now: () => new Date(0) });
  call();
  return lines.join("\n");
}

Deno.test("log lines are escaped in messages, values and nested values, in both formats", () => {
  const write = () => log.info(HOSTILE, { path: HOSTILE, deep: { list: [HOSTILE] } });
  for (const format of ["text", "json"] as const) {
    const line = logged(format, write);
    assertEquals(printable(line), line, format);
  }
  assertEquals(JSON.parse(logged("json", write)).deep.list, [HOSTILE]);
});

Deno.test("a secret is redacted before it is encoded", () => {
  keepSecret('quo"ted\\pass');
  const write = () => log.info('m quo"ted\\pass', { a: 'quo"ted\\pass', b: ['x quo"ted\\pass'] });
  for (const format of ["text", "json"] as const) {
    const line = logged(format, write);
    assertEquals([line.includes("ted"), line.split("***").length], [false, 4], line);
  }
});
