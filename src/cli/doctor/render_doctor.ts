import { count } from "../format.ts";
import { wrap } from "../render_help.ts";
import { bold, dim, green, red, yellow } from "../style.ts";
import type { Check } from "./check.ts";

/** The report for people: a line per check with what to do, and the verdict. */
export function doctorText(checks: readonly Check[], width: number): string {
  const paint = { ok: green, warning: yellow, failed: red } as const;
  // On a narrow terminal, the finding is below the name.
  const narrow = width < 60;
  const nameWidth = Math.max(...checks.map((c) => c.name.length)) + 2;
  const indent = " ".repeat(narrow ? 2 : 9 + nameWidth);
  const room = width - indent.length;
  const rows = checks.flatMap(({ name, state, found, todo }, at) => {
    // Only the first check of a group shows the name.
    const shown = !narrow && checks[at - 1]?.name === name ? "" : name;
    const head = `${paint[state](state.padEnd(9))}${bold(shown)}${" ".repeat(nameWidth - shown.length)}`;
    const [first = "", ...rest] = narrow ? ["", ...wrap(found, room)] : wrap(found, room);
    const advice = todo === undefined || state === "ok" ? [] : wrap(`-> ${todo}`, room).map(dim);
    return [`${head}${first}`, ...[...rest, ...advice].map((line) => indent + line)];
  });
  return `${[...rows, "", bold(verdict(checks))].map((l) => l.trimEnd()).join("\n")}\n`;
}

export function doctorMarkdown(checks: readonly Check[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const rows = checks.map(({ state, name, found, todo }) =>
    `| ${state} | ${cell(name)} | ${cell(found)} | ${cell(state === "ok" ? "" : todo ?? "")} |\n`
  );
  const head = "| state | check | found | to do |\n| --- | --- | --- | --- |\n";
  return `### aim doctor: ${verdict(checks)}\n\n${head}${rows.join("")}`;
}

export function stopping(checks: readonly Check[]): number {
  return checks.filter((c) => c.state === "failed").length;
}

function verdict(checks: readonly Check[]): string {
  const failed = stopping(checks);
  const warnings = checks.filter((c) => c.state === "warning").length;
  const also = warnings === 0 ? "" : `, ${count(warnings, "warning")}`;
  return failed === 0 ? `serve would start${also}` : `${count(failed, "problem")} would stop serve${also}`;
}
