import { count } from "../format.ts";
import { wrap } from "../render_help.ts";
import { style } from "../style.ts";
import type { Check } from "./check.ts";
import { jsonReport } from "../json_report.ts";

/** The page for people: a line a check, what to do beneath it, and what it comes to. */
export function doctorText(checks: readonly Check[], colour: boolean): string {
  const { bold, green, yellow, red, dim } = style(colour);
  const paint = { ok: green, warning: yellow, failed: red } as const;
  const nameWidth = Math.max(...checks.map((c) => c.name.length)) + 2;
  const indent = " ".repeat(9 + nameWidth);
  const rows = checks.flatMap((check, at) => {
    // The name of a group stands once.
    const name = checks[at - 1]?.name === check.name ? "" : check.name;
    const [first = "", ...rest] = wrap(check.found, 100 - indent.length);
    return [
      `${paint[check.state](check.state.padEnd(9))}${bold(name.padEnd(nameWidth))}${first}`,
      ...rest.map((line) => indent + line),
      ...(check.todo === undefined || check.state === "ok"
        ? []
        : wrap(`→ ${check.todo}`, 100 - indent.length).map((l) => indent + dim(l))),
    ];
  });
  return `${[...rows, "", bold(verdict(checks))].map((l) => l.trimEnd()).join("\n")}\n`;
}

/** The same for programs. */
export function doctorJson(checks: readonly Check[]): string {
  return jsonReport({ ok: stopping(checks) === 0, checks });
}

/** How many checks say that `serve` would not start. */
export function stopping(checks: readonly Check[]): number {
  return checks.filter((c) => c.state === "failed").length;
}

function verdict(checks: readonly Check[]): string {
  const failed = stopping(checks);
  const warnings = checks.filter((c) => c.state === "warning").length;
  const also = warnings === 0 ? "" : `, ${count(warnings, "warning")}`;
  return failed === 0 ? `serve would start${also}` : `${count(failed, "thing")} would stop serve${also}`;
}
