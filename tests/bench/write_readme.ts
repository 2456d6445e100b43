import { BEFORE, type Result } from "./row_parts.ts";
import { type Comparison, isMet } from "./comparison.ts";
import type { Figures, Run } from "./measure.ts";
import { median } from "./statistics.ts";

const [BEGIN, END] = ["<!-- figures -->", "<!-- end of figures -->"];

/** The measured programs and machine. */
export interface Measured {
  /** Commits of `aim` and of the earlier build. */
  readonly commit: string;
  readonly before: string | null;
  readonly cores: number;
  readonly memory: number;
  readonly rows: ReadonlyMap<string, Result>;
}

/** Writes the figures between the README's marks. */
export function withFigures(readme: string, measured: Measured): string {
  const [start, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`the README has no ${BEGIN} and ${END}`);
  return `${readme.slice(0, start + BEGIN.length)}\n\n${figuresText(measured)}\n${readme.slice(end)}`;
}

function figuresText({ commit, before, cores, memory, rows }: Measured): string {
  const skipped = [...rows].flatMap(([name, { skipped }]) =>
    skipped === undefined ? [] : [`${name}: ${skipped}`]
  );
  const comparisons = [...rows.values()].flatMap((row) => row.comparisons);
  const missed = comparisons.filter((one) => isMet(one) === false);
  return [
    `Commit ${commit}${before === null ? "" : `; “before” is ${before}`}. ${cores} cores, ${
      (memory / 2 ** 30).toFixed(0)
    } GiB of memory, servers and clients on the same machine. Medians.`,
    claimsTable(comparisons),
    ...missed.length === 0 ? [] : ["Missed, and why:"],
    ...missed.length === 0 ? [] : [
      missed.map((one) =>
        `- ${one.work}, ${FIGURES[one.figure]}, ${one.best === "–" ? "" : `against ${one.best}: `}${
          ratioText(one)
        } instead of ${limitText(one)}${one.why === undefined ? "" : `: ${one.why}`}.`
      ).join("\n"),
    ],
    ...skipped.length === 0 ? [] : [skipped.map((line) => `- Not measured: ${line}.`).join("\n")],
    "Every program of these rows:",
    runsTable(rows),
    ceiling(rows),
  ].join("\n\n") + "\n";
}

const FIGURES: Readonly<Record<keyof Run, string>> = { wall: "time", cpu: "CPU", memory: "memory" };

function claimsTable(comparisons: readonly Comparison[]): string {
  return table(
    ["work", "figure", "`aim`", "compared with", "ratio", "wanted"],
    comparisons.map((one) => [
      one.work,
      FIGURES[one.figure],
      `${one.subject === "aim" ? "" : `${one.subject}: `}${value(one.figure, one.mine)}`,
      one.best === "–" ? "–" : `${one.best} ${value(one.figure, one.theirs)}`,
      one.best === "–" ? "–" : one.ratio.toFixed(2),
      one.limit === null ? "" : `${limitText(one)}${isMet(one) === true ? "" : ", **missed**"}`,
    ]),
  );
}

function ratioText(one: Comparison): string {
  return one.best === "–" ? value(one.figure, one.mine) : one.ratio.toFixed(2);
}

function limitText({ best, figure, limit }: Comparison): string {
  return best === "–" ? value(figure, limit ?? 0) : String(limit);
}

function value(figure: keyof Run, amount: number): string {
  if (figure === "memory") return `${(amount / 2 ** 20).toFixed(0)} MiB`;
  return amount < 0.1 ? `${(amount * 1000).toFixed(0)} ms` : `${amount.toFixed(2)} s`;
}

function runsTable(rows: ReadonlyMap<string, Result>): string {
  return table(
    ["row", "program", "time", "CPU", "peak memory", "runs", "verifies"],
    [...rows].flatMap(([row, { figures }]) =>
      [...figures].filter(([, runs]) => runs.length > 0).map(([name, runs]) => [
        row,
        name,
        value("wall", middle(runs, "wall")),
        value("cpu", middle(runs, "cpu")),
        value("memory", middle(runs, "memory")),
        String(runs.length),
        verifies(name) ? "yes" : "no",
      ])
    ),
  );
}

/** Whether a program checks a file against its source's digest, or at least computes one. */
function verifies(name: string): boolean {
  return (name.startsWith("aim") && !name.includes("not verifying")) || /openssl|SHA-256|floor/.test(name);
}

/** The maximum speed of one thread, from rows in which it is the limit. */
function ceiling(rows: ReadonlyMap<string, Result>): string {
  const gibibytes = 4;
  const per = (row: string, name: string, figure: "wall" | "cpu") => {
    const runs: Figures = rows.get(row)?.figures ?? new Map();
    const found = runs.get(name) ?? [];
    return found.length === 0 ? null : middle(found, figure) / gibibytes;
  };
  const lines = ["shards", "shards-tls"].flatMap((row) => {
    const [wall, cpu, all, before] = [
      per(row, "aim, not verifying", "wall"),
      per(row, "aim, not verifying", "cpu"),
      per(row, "aim", "cpu"),
      per(row, BEFORE, "cpu"),
    ];
    if (wall === null || cpu === null || all === null) return [];
    return [
      `- ${row === "shards" ? "HTTP" : "TLS"}: reading, decrypting and writing ${
        cpu.toFixed(2)
      } s of CPU a GiB, at ${(1 / wall).toFixed(2)} GiB/s without verifying; hashing ${
        (all - cpu).toFixed(2)
      } s more${before === null ? "" : ` (before: ${before.toFixed(2)} s in all)`}.`,
    ];
  });
  return lines.length === 0 ? "" : `CPU by row, of 4 GiB:\n\n${lines.join("\n")}`;
}

function middle(runs: readonly Run[], figure: keyof Run): number {
  return median(runs.map((run) => run[figure]));
}

/** Pads columns as deno fmt does. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(3, ...all.map((row) => [...row[at] ?? ""].length)));
  const line = (cells: readonly string[], fill = " ") =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0, fill)).join(" | ")} |`;
  return [line(head), line(head.map(() => ""), "-"), ...rows.map((row) => line(row))].join("\n");
}
