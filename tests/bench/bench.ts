// Compares aim with the programs that users would use instead: ratios of medians from one run on one machine.
import { parseArgs } from "@std/cli/parse-args";
import { type Comparison, isMet } from "./comparison.ts";
import { drawPlots, PLOTS } from "./growth.ts";
import type { MeasureOptions } from "./measure.ts";
import { findPeers, output as shown } from "./peers.ts";
import type { Result } from "./row_parts.ts";
import { ROWS } from "./rows.ts";
import { median } from "./statistics.ts";
import { EXECUTABLE, makeWorld, SOURCE_FORM } from "./world.ts";
import { withFigures } from "./write_readme.ts";

/** The rows in the README. */
const README_ROWS = [
  ...["shards", "shards-tls", "shards-disk", "shards-s3", "shards-s3-tls", "cores", "olah"],
  ...["file", "file-disk", "many", "again", "delay", "verify", "memory", "start"],
];

const USAGE =
  `deno task bench [NAME…] [--quick] [--runs N] [--form source|executable] [--json FILE] [--lock FILE] [--plots]
                [--before FILE] [--readme]

${ROWS.map(({ name, says }) => `  ${name.padEnd(14)}${says}`).join("\n")}

--before names the executable of an earlier commit to compare with.
--readme measures ${README_ROWS.join(", ")}, in 20 minutes on two idle cores,
and writes the figures into README.md and results.json.

--plots draws plots of cost instead: all of ${Object.keys(PLOTS).join(", ")}, or the named ones.`;

const flags = parseArgs(Deno.args, {
  string: ["runs", "form", "json", "lock", "before"],
  boolean: ["quick", "plots", "readme", "help"],
  unknown: (name, key) => {
    if (key === undefined) return true;
    console.error(`unknown option ${name}; usage:\n${USAGE}`);
    Deno.exit(2);
  },
});
if (flags.help === true) {
  console.log(USAGE);
  Deno.exit(0);
}
const text = (value: unknown) => typeof value === "string" && value !== "" ? value : null;
const beside = (name: string) => new URL(name, import.meta.url).pathname;
const forReadme = flags.readme === true;
const lock = text(flags.lock), before = text(flags.before);
const jsonPath = text(flags.json) ?? (forReadme ? beside("results.json") : null);
const form = text(flags.form) ?? "executable";
const names = forReadme && flags._.length === 0 ? README_ROWS : flags._.map(String);
const [kind, known] = flags.plots === true
  ? ["plot", Object.keys(PLOTS)] as const
  : ["row", ROWS.map((row) => row.name)] as const;
const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`no ${kind} ${unknown.join(", ")}; there are ${known.join(", ")}`);
  Deno.exit(2);
}

const peers = await findPeers();
for (const missing of peers.missing) console.error(`not compared, because it is not installed: ${missing}`);
const executable = form === "executable" && await Deno.stat(EXECUTABLE).then(() => true, () => false);
if (form === "executable" && !executable) {
  console.error("no dist/aim: measuring aim from source; deno task compile makes dist/aim");
}
const world = await makeWorld({
  aim: executable ? [EXECUTABLE] : SOURCE_FORM,
  before: before === null ? null : await Deno.realPath(before),
  peers: peers.found,
  quick: flags.quick === true,
});
// A run that is stopped leaves no gigabytes behind.
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.addSignalListener(signal, () => void world.close().finally(() => Deno.exit(code)));
}
const options: MeasureOptions = { runs: Number(text(flags.runs) ?? "5"), lock };
const results = new Map<string, Result>();
const machine = {
  cores: navigator.hardwareConcurrency,
  kernel: Deno.osRelease(),
  deno: Deno.version.deno,
  memory: Deno.systemMemoryInfo().total,
};
try {
  if (flags.plots === true) await drawPlots(world, options, names);
  else {
    for (const row of ROWS.filter(({ name }) => names.length === 0 || names.includes(name))) {
      console.error(`${row.name}: ${row.says}`);
      const result = await row.run(world, options).catch((error): Result => {
        // Measures the other rows anyway.
        console.error(error);
        return { figures: new Map(), comparisons: [], skipped: `it failed: ${String(error).split("\n")[0]}` };
      });
      results.set(row.name, result);
      if (result.skipped !== undefined) console.error(`  skipped: ${result.skipped}`);
      for (const [name, runs] of result.figures) {
        const middle = (figure: "wall" | "cpu") => median(runs.map((run) => run[figure])).toFixed(3);
        const most = Math.max(...runs.map((run) => run.memory)) / 2 ** 20;
        console.error(
          `  ${name}: ${middle("wall")} s, ${middle("cpu")} s of CPU, ${
            most.toFixed(0)
          } MiB (${runs.length} runs)`,
        );
      }
      // After each row, so that a run that is stopped keeps its results.
      if (jsonPath !== null) await Deno.writeTextFile(jsonPath, json());
      if (forReadme) await writeReadme();
    }
    console.log(table([...results.values()].flatMap((result) => result.comparisons)));
  }
} finally {
  await world.close();
}

async function writeReadme(): Promise<void> {
  const path = beside("README.md");
  const readme = await Deno.readTextFile(path);
  const { cores, memory } = machine;
  const commit = (await shown("git", "rev-parse", "--short", "HEAD")) ?? "unknown";
  const measured = { commit, before: await commitOf(before), cores, memory, rows: results };
  await Deno.writeTextFile(path, withFigures(readme, measured));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", path] }).output();
}

function table(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((one) => {
    const limit = one.limit === null ? "" : `${one.limit}${isMet(one) === true ? "" : " **missed**"}`;
    const value = (x: number) =>
      one.figure === "memory" ? `${(x / 2 ** 20).toFixed(0)} MiB` : `${x.toFixed(3)} s`;
    const against = one.best === "–" ? "–" : `${one.best} (${value(one.theirs)})`;
    const what = one.figure === "wall" ? "time" : one.figure === "cpu" ? "CPU" : "memory";
    return [one.work, what, `${one.subject} (${value(one.mine)})`, against, one.ratio.toFixed(2), limit];
  });
  const head = ["work", "figure", "aim", "against", "ratio", "at most"];
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The commit of an executable, from the worktree whose `dist/` it is in. */
async function commitOf(executable: string | null): Promise<string | null> {
  if (executable === null) return null;
  const folder = executable.replace(/\/[^/]*$/, "");
  return await shown("git", "-C", folder === executable ? "." : folder, "rev-parse", "--short", "HEAD") ??
    executable;
}

function json(): string {
  const figures = Object.fromEntries(
    [...results].map(([name, result]) => [name, {
      comparisons: result.comparisons,
      runs: Object.fromEntries(result.figures),
      ...(result.skipped === undefined ? {} : { skipped: result.skipped }),
    }]),
  );
  return `${JSON.stringify({ machine, missing: peers.missing, rows: figures }, null, 2)}\n`;
}
