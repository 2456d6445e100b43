import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import type { Command, FlagSpec } from "./command.ts";
import { GLOBAL_SETTINGS } from "./parse_flags.ts";
import { style } from "./style.ts";

const WIDTH = 100;

/** The list of commands. `group` is the first word of a group of them, or empty for all. */
export function renderOverview(commands: readonly Command[], group: string, colour: boolean): string {
  const { bold } = style(colour);
  const intro = group === ""
    ? [
      "aim finds the GPUs, selects the profile that fits, brings the model into the cache, and becomes vLLM.",
      "",
    ]
    : [];
  const more = group === ""
    ? [
      "",
      "aim alone means aim serve.",
      "More: aim help COMMAND, aim help environment | exit-codes | permissions | json, aim --version",
    ]
    : ["", `More: aim help ${group} COMMAND`];
  return lines([
    ...intro,
    `${bold("Usage:")} aim ${group === "" ? "" : `${group} `}[COMMAND] [FLAGS]`,
    "",
    bold("Commands:"),
    ...twoColumns(commands.map((c) => [c.name, c.summary])),
    ...more,
  ]);
}

/** Everything about one command: usage, flags with their variables and defaults, examples. */
export function renderCommandHelp(command: Command, colour: boolean): string {
  const { bold, dim } = style(colour);
  const words = command.positionals.map((p) => positionalText(p));
  const flags = command.flags.map((f): [string, string] => [flagText(f), flagHelp(f)]);
  const settings = command.settings.filter((n) => SETTINGS[n].flag !== null);
  const variables = command.settings.filter((n) => SETTINGS[n].flag === null);
  return lines([
    `${bold(`aim ${command.name}`)}: ${command.summary}`,
    "",
    `${bold("Usage:")} ${["aim", command.name, ...words, "[FLAGS]"].join(" ")}`,
    ...section(bold("Flags:"), flags),
    ...section(bold("Settings:"), [...settings, ...GLOBAL_SETTINGS].map(settingRow)),
    ...section(bold("Environment only:"), variables.map(settingRow)),
    ...(command.examples.length === 0 ? [] : ["", bold("Examples:")]),
    ...command.examples.flatMap((e) => [dim(`  # ${e.does}`), `  ${e.command}`]),
    "",
    "More: aim help environment (every variable), aim help exit-codes",
  ]);
}

function positionalText(p: Command["positionals"][number]): string {
  const bare = p.name.replace(/^\[|\]$|…$/g, "").replace(/…|\]|\.\.\./g, "");
  const many = p.many ? `${bare}…` : bare;
  return p.required ? many : `[${many}]`;
}

function flagText(flag: FlagSpec): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.type === "boolean" ? "" : ` ${flag.value ?? flag.choices?.join("|") ?? "VALUE"}`;
  return `${short}--${flag.name}${value}`;
}

function flagHelp(flag: FlagSpec): string {
  const notes = [
    flag.aliases === undefined || flag.aliases.length === 0
      ? null
      : `also ${flag.aliases.map((a) => `--${a}`).join(", ")}`,
    flag.choices === undefined || flag.value === undefined ? null : `one of ${flag.choices.join(", ")}`,
    flag.type === "list" ? "may be repeated" : null,
    flag.default === undefined ? null : `default ${flag.default}`,
  ].filter((n) => n !== null);
  return notes.length === 0 ? flag.help : `${flag.help} (${notes.join("; ")})`;
}

/** A setting as a row: its flag (or variable), and help with variable, choices and default. */
export function settingRow(name: SettingName): [string, string] {
  const setting: Setting = SETTINGS[name];
  const flags = [setting.flag, ...setting.flagAliases ?? []].filter((f) => f !== null).map((f) => `--${f}`);
  const value = setting.type.kind === "boolean" ? "" : ` ${setting.value}`;
  const notes = [
    flags.length > 1 ? `also ${flags.slice(1).join(", ")}` : null,
    setting.type.kind === "choice" && setting.type.choices.length > 1
      ? `one of ${setting.type.choices.join(", ")}`
      : null,
    flags.length === 0 ? null : setting.env.join(", "),
    setting.default === null ? null : `default ${setting.default}`,
  ].filter((n) => n !== null);
  // What is on by default is named to be turned off.
  const negatable = setting.type.kind === "boolean" && setting.default === "true";
  const first = flags[0] === undefined
    ? setting.env.join(", ")
    : negatable
    ? flags[0].replace("--", "--[no-]")
    : flags[0] + value;
  return [first, notes.length === 0 ? setting.help : `${setting.help} (${notes.join("; ")})`];
}

function section(title: string, rows: readonly (readonly [string, string])[]): string[] {
  return rows.length === 0 ? [] : ["", title, ...twoColumns(rows)];
}

/** Rows with the second column aligned and wrapped; a long first column has its own line. */
export function twoColumns(rows: readonly (readonly [string, string])[]): string[] {
  const indent = Math.min(30, Math.max(...rows.map(([first]) => first.length), 0) + 4);
  return rows.flatMap(([first, second]) => {
    const wrapped = wrap(second, WIDTH - indent).map((l) => " ".repeat(indent) + l);
    const head = `  ${first}`;
    if (head.length + 2 > indent) return [head, ...wrapped];
    return [head.padEnd(indent) + (wrapped[0] ?? "").trimStart(), ...wrapped.slice(1)];
  });
}

/** Breaks text at spaces into lines of at most `width` characters, longer words excepted. */
export function wrap(text: string, width: number): string[] {
  const rows: string[] = [];
  for (const word of text.split(" ")) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      rows[rows.length - 1] = `${last} ${word}`;
    } else rows.push(word);
  }
  return rows;
}

function lines(all: readonly string[]): string {
  return `${all.map((l) => l.trimEnd()).join("\n")}\n`;
}
