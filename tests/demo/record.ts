// Records the demo as tests/demo/demo.svg, which the README shows: `deno run -P tests/demo/record.ts`. Needs
// `script` (util-linux).
import { type Line, renderTerminal, terminalLines } from "./terminal_svg.ts";

const SVG = new URL("demo.svg", import.meta.url);
const COLUMNS = 140;

if (import.meta.main) {
  await Deno.writeTextFile(SVG, renderTerminal(await record(), { columns: COLUMNS, rows: 34 }));
}

/** Runs the demo in a pseudoterminal. */
async function record(): Promise<Line[]> {
  const demo = new URL("demo.ts", import.meta.url).pathname;
  const run = `stty cols ${COLUMNS} rows 40; exec '${Deno.execPath()}' run -q -P '${demo}'`;
  const { code, stdout } = await new Deno.Command("script", {
    args: ["-qec", run, "/dev/null"],
    env: { COLUMNS: String(COLUMNS), TERM: "xterm-256color" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (code !== 0) throw new Error(`the demo ended with ${code}:\n${text}`);
  // Replaces names that change with every run.
  const stable = text.replaceAll(/aim-(demo|gpus)-[0-9a-f]+/g, "aim-$1").replaceAll(
    /127\.0\.0\.1:\d+/g,
    "127.0.0.1:8888",
  );
  return terminalLines(withBar(stable), COLUMNS);
}

/** Keeps one progress bar from the middle of the first long download; a terminal would erase them all. */
function withBar(output: string): string {
  // deno-lint-ignore no-control-regex
  const parts = output.split(/(\x1b\[\d+A\r\x1b\[J)/);
  const kept = parts.findIndex((part) => /\[=+> *\] +[4-7]\d%/.test(part));
  if (kept === -1) throw new Error("no bar was drawn in the middle of a download");
  return parts.toSpliced(kept + 1, 1).join("");
}
