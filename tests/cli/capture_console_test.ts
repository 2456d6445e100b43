import { assertEquals } from "@std/assert";
import { captureConsole } from "../../src/log/capture_console.ts";
import { configureLog, type LogLevel } from "../../src/log/logger.ts";

/** The log lines that a library's console calls produce. */
function linesOf(root: LogLevel, use: (console: Console) => void): string[] {
  const lines: string[] = [];
  const console = { ...globalThis.console };
  configureLog({
    level: "CRITICAL",
    format: "text",
    write: (line) => lines.push(line),
    now: () => new Date(0),
  });
  captureConsole(root, console);
  use(console);
  configureLog({ level: "INFO" });
  return lines;
}

Deno.test("console output of libraries is logged by AIM_LOG_LEVEL_ROOT, regardless of AIM_LOG_LEVEL", () => {
  const all = (console: Console) => {
    console.debug("d");
    console.log("l");
    console.info("i");
    console.warn("w", { a: 1 });
    console.error(new Error("e").message);
  };
  const time = "1970-01-01T00:00:00.000Z";
  assertEquals(linesOf("WARNING", all), [
    `${time} WARNING w { a: 1 } library=true`,
    `${time} ERROR e library=true`,
  ]);
  assertEquals(linesOf("DEBUG", all).length, 5);
  assertEquals(linesOf("CRITICAL", all), []);
});

Deno.test("a secret that a library logs is redacted", () => {
  assertEquals(
    linesOf("WARNING", (console) => console.warn("Authorization: Bearer abcdef.123")),
    ["1970-01-01T00:00:00.000Z WARNING Authorization: Bearer *** library=true"],
  );
});
