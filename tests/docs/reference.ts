// Generates the pages' reference tables, between `<!-- BEGIN name -->` and `<!-- END name -->`, from the
// program's tables. With --check it writes nothing and fails if they differ.
import { ALSO_HONOURED } from "../../src/config/variables.ts";
import { loadCommands } from "../../src/cli/registry.ts";
import { type Setting, SETTINGS } from "../../src/config/settings.ts";
import { EXIT_CODES } from "../../src/errors/exit_codes.ts";
import { type Command, loadsFirst } from "../../src/cli/command.ts";

type Row = readonly string[];

/** The tables by name, as Markdown. */
export async function referenceTables(): Promise<Readonly<Record<string, string>>> {
  const commands = await loadCommands();
  return {
    settings: table(
      ["variable", "flag", "default", "meaning"],
      Object.values<Setting>(SETTINGS).map(settingRow),
    ),
    variables: table(
      ["variable", "meaning"],
      Object.entries(ALSO_HONOURED).map((
        [names, meaning],
      ) => [names.split(", ").map(code).join(", "), meaning]),
    ),
    commands: table(
      ["command", "does"],
      commands.map((c) => [code(`aim ${c.usage.replaceAll("...", "…")}`), c.summary]),
    ),
    "exit-codes": table(["code", "meaning"], [
      ["0", "done"],
      ...Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning]),
    ]),
    permissions: table(["command", "write", "net", "run", "ffi"], commands.map(permissionRow)),
  };
}

/** The text with each table inserted between its marks. */
export function withTables(text: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce((all, [name, content]) => {
    const begin = `<!-- BEGIN ${name} -->`;
    const end = `<!-- END ${name} -->`;
    const from = all.indexOf(begin);
    const to = all.indexOf(end, from);
    return from === -1 || to === -1
      ? all
      : `${all.slice(0, from + begin.length)}\n\n${content}\n\n${all.slice(to)}`;
  }, text);
}

function settingRow({ env, flag, flagAliases, type, default: value, help }: Setting): Row {
  const flags = [flag, ...flagAliases ?? []].filter((f) => f !== null).map((f) => code(`--${f}`)).join(", ");
  const choices = type.kind === "choice" && type.choices.length > 1
    ? ` (${type.choices.map(code).join(" ")})`
    : "";
  return [env.map(code).join(", "), flags, value === null ? "" : code(value), help + choices];
}

function permissionRow({ name, permissions: p, netOnlyWith, prepare }: Command): Row {
  const early = prepare === undefined ? "" : "at first";
  return [
    code(`aim ${name}`),
    p.write ? "yes" : "",
    p.net ? netOnlyWith === undefined ? "yes" : `with ${code(`--${netOnlyWith}`)}` : "",
    p.run ? "yes" : early,
    p.ffi ? "yes" : loadsFirst(p) ? "at first" : early,
  ];
}

function code(text: string): string {
  return `\`${text}\``;
}

/** A Markdown table with its columns aligned, as `deno fmt` leaves it. */
function table(head: Row, rows: readonly Row[]): string {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: Row) =>
    `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" | ")} |`;
  const [first, ...rest] = all;
  return [line(first ?? []), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}

/** The pages with tables. */
export const PAGES = ["README.md", ".github/REFERENCE.md", "container/README.md"] as const;

if (import.meta.main) {
  const tables = await referenceTables();
  for (const page of PAGES) {
    const path = new URL(`../../${page}`, import.meta.url);
    const text = await Deno.readTextFile(path);
    const wanted = withTables(text, tables);
    if (text === wanted) continue;
    if (!Deno.args.includes("--check")) await Deno.writeTextFile(path, wanted);
    else {
      console.error(`${page} differs from the program's tables; run deno run -P tests/docs/reference.ts`);
      Deno.exitCode = 1;
    }
  }
}
