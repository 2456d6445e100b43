import { ALSO_HONOURED } from "../config/variables.ts";
import { type SettingName, SETTINGS } from "../config/settings.ts";
import { EXIT_CODES } from "../errors/exit_codes.ts";
import { keysOf, OUTPUT_SCHEMAS } from "./output_schema.ts";
import { type CommandTable, loadsFirst } from "./command.ts";
import { type Page, settingRow, twoColumns, wrap } from "./render_help.ts";
import { style } from "./style.ts";

/** A page of help that is not about one command. */
export interface HelpTopic {
  readonly name: string;
  readonly summary: string;
  render(page: Page, commands: CommandTable): Promise<string> | string;
}

export const TOPICS: readonly HelpTopic[] = [
  { name: "environment", summary: "every variable, its flag and default", render: renderEnvironment },
  { name: "exit-codes", summary: "what the exit codes mean", render: renderExitCodes },
  { name: "permissions", summary: "what each command may do", render: renderPermissions },
  { name: "json", summary: "what --format json prints", render: renderJson },
];

const GROUPS = {
  model: "Model and engine",
  profile: "Profile selection",
  gpu: "GPUs",
  cache: "Cache",
  source: "Sources",
  download: "Download",
  adapter: "LoRA adapters",
  log: "Logs",
} as const;

function renderEnvironment(page: Page): string {
  const { bold } = style(page.colour);
  const groups = Object.entries(GROUPS).flatMap(([group, title]) => {
    const names = (Object.keys(SETTINGS) as SettingName[]).filter((n) => SETTINGS[n].group === group);
    return [bold(title), ...twoColumns(names.map(environmentRow), page.width), ""];
  });
  return joined([
    bold("aim help environment"),
    "",
    ...wrap(
      "Every setting has a variable, and most have a flag. Precedence: flag, environment variable, default. An empty " +
        "variable counts as unset. Booleans: true, false, 1, 0, yes, no, on, off in any case. Sizes: 1048576, 8M or " +
        "8MiB (powers of 1024), 8MB (powers of 1000). Durations: 90, 500ms, 2m, 1h.",
      page.width,
    ),
    "",
    ...groups,
    bold("Also honoured"),
    ...twoColumns(Object.entries(ALSO_HONOURED), page.width),
  ]);
}

function environmentRow(name: SettingName): [string, string] {
  const { env, flag } = SETTINGS[name];
  const [first, second] = settingRow(name);
  if (flag === null) return [first, second];
  return [env.join(", "), second.replace(env.join(", "), first)];
}

function renderExitCodes({ colour, width }: Page): string {
  const rows = Object.values(EXIT_CODES).map((
    { code, meaning },
  ): [string, string] => [String(code), meaning]);
  return joined([
    style(colour).bold("aim help exit-codes"),
    "",
    ...twoColumns([["0", "done"], ...rows], width),
  ]);
}

async function renderPermissions({ colour, width: columns }: Page, table: CommandTable): Promise<string> {
  const { bold } = style(colour);
  const commands = (await Promise.all(table.names().map((name) => table.load(name)))).filter((c) =>
    c !== null
  );
  const yes = (may: boolean) => (may ? "yes" : "-").padEnd(7);
  const width = Math.max(...commands.map((c) => c.name.length)) + 4;
  return joined([
    bold("aim help permissions"),
    "",
    ...wrap(
      "What each command may do while it runs; every other permission is revoked before it starts. All may read " +
        "files. Commands marked * first look at the hardware with run and ffi, then give both up. first: libraries " +
        "are loaded before ffi is given up. repair: only with --repair.",
      columns,
    ),
    "",
    bold(`  ${"command".padEnd(width)}write  net    run    ffi`),
    ...commands.map(({ name, permissions: p, netOnlyWith, prepare }) => {
      const net = p.net && netOnlyWith !== undefined ? netOnlyWith.padEnd(7) : yes(p.net);
      const named = prepare === undefined ? name : `${name} *`;
      return `  ${named.padEnd(width)}${yes(p.write)}${net}${yes(p.run)}${
        loadsFirst(p) ? "first" : yes(p.ffi)
      }`;
    }),
  ]);
}

function renderJson({ colour, width }: Page): string {
  const { bold } = style(colour);
  const named = (title: string) => title.startsWith("-") || title.startsWith("an ") ? title : `aim ${title}`;
  const rows = Object.values(OUTPUT_SCHEMAS).flatMap((schema) => {
    const keys = new Map(keysOf(schema).map(({ key, says }) => [key, says]));
    return [
      bold(named(schema.title ?? "")),
      ...wrap(
        `${schema.description ?? ""}${schema.type === "array" ? " (a list of objects)" : ""}`,
        width - 2,
      )
        .map((line) => `  ${line}`),
      ...twoColumns([...keys].filter(([key]) => key !== "schemaVersion"), width),
      "",
    ];
  });
  return joined([
    bold("aim help json"),
    "",
    ...wrap(
      "The JSON is all there is on standard output; logs and progress go to standard error. Sizes are bytes, times " +
        "milliseconds, dates RFC 3339. schemaVersion changes when a key goes or changes its meaning; keys are added " +
        "without. The JSON Schemas are in src/cli/schemas/output.schema.json.",
      width,
    ),
    "",
    ...rows,
  ]);
}

function joined(rows: readonly string[]): string {
  return `${rows.map((r) => r.trimEnd()).join("\n").trimEnd()}\n`;
}
