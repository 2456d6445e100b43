import { count } from "../format.ts";
import { type Page, wrap } from "../render_help.ts";
import { style } from "../style.ts";
import type { Check } from "./check.ts";
import { jsonReport } from "../json_report.ts";

/** The page for people: a line for each check with what to do, and the result. */
export function doctorText(checks: readonly Check[], { colour, width }: Page): string {
  const { bold, green, yellow, red, dim } = style(colour);
  const paint = { ok: green, warning: yellow, failed: red } as const;
  // On a narrow terminal, what was found is below the name.
  const narrow = width < 60;
  const nameWidth = Math.max(...checks.map((c) => c.name.length)) + 2;
  const indent = " ".repeat(narrow ? 2 : 9 + nameWidth);
  const room = width - indent.length;
  const rows = checks.flatMap((check, at) => {
    // Only the first check of a group has the name.
    const name = !narrow && checks[at - 1]?.name === check.name ? "" : check.name;
    const found = wrap(check.found, room);
    const head = `${paint[check.state](check.state.padEnd(9))}${bold(name.padEnd(nameWidth))}`;
    const [first = "", ...rest] = narrow ? ["", ...found] : found;
    return [
      `${head}${first}`,
      ...rest.map((line) => indent + line),
      ...(check.todo === undefined || check.state === "ok"
        ? []
        : wrap(`-> ${check.todo}`, room).map((l) => indent + dim(l))),
    ];
  });
  return `${[...rows, "", bold(verdict(checks))].map((l) => l.trimEnd()).join("\n")}\n`;
}

export function doctorJson(checks: readonly Check[]): string {
  return jsonReport({ ok: stopping(checks) === 0, checks });
}

/** A table for a ticket. */
export function doctorMarkdown(checks: readonly Check[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const rows = checks.map(({ state, name, found, todo }) =>
    `| ${state} | ${cell(name)} | ${cell(found)} | ${cell(state === "ok" ? "" : todo ?? "")} |`
  );
  return [
    `### aim doctor: ${verdict(checks)}`,
    "",
    "| state | check | found | to do |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ]
    .join("\n");
}

/** The number of failed checks. */
export function stopping(checks: readonly Check[]): number {
  return checks.filter((c) => c.state === "failed").length;
}

function verdict(checks: readonly Check[]): string {
  const failed = stopping(checks);
  const warnings = checks.filter((c) => c.state === "warning").length;
  const also = warnings === 0 ? "" : `, ${count(warnings, "warning")}`;
  return failed === 0 ? `serve would start${also}` : `${count(failed, "problem")} would stop serve${also}`;
}
