import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import type { Command, FlagSpec, Terminal } from "./command.ts";
import { GLOBAL_SETTINGS, specsOf } from "./known_flags.ts";
import { style } from "./style.ts";

/** The terminal or file of a page. */
export interface Page {
  readonly colour: boolean;
  /** Maximum characters in a line. */
  readonly width: number;
}

/** Longer lines are hard to read. */
const WIDEST = 100;

export function pageOf({ colour, columns }: Terminal): Page {
  return { colour, width: Math.max(20, Math.min(WIDEST, columns)) };
}

/** The list of commands. `group` is the first word of a group of commands, or empty for all. */
export function renderOverview(commands: readonly Command[], group: string, page: Page): string {
  const { bold } = style(page.colour);
  const text = (words: string) => wrap(words, page.width);
  const intro = group === ""
    ? [
      ...text(
        "aim gets an AI model onto AMD GPUs and serves it: it finds the GPUs, selects a profile, downloads " +
          "the model into a cache, and becomes vLLM.",
      ),
      "",
    ]
    : [];
  const more = group === ""
    ? [
      "",
      bold("Start here:"),
      ...twoColumns([
        ["aim doctor", "check what serving needs on this machine"],
        ["aim dry-run org/model", "preview what serve would do"],
        ["aim serve org/model", "serve it; aim alone serves AIM_ID or AIM_MODEL_ID"],
      ], page.width),
      "",
      ...text(
        "Also: pull, download (download-to-cache), ls (cache list), rm (cache remove), run, start (serve).",
      ),
      ...text(
        "More: aim help COMMAND, aim help environment | exit-codes | permissions | json, aim --version",
      ),
    ]
    : ["", `More: aim help ${group} COMMAND`];
  return lines([
    ...intro,
    `${bold("Usage:")} aim ${group === "" ? "" : `${group} `}[COMMAND] [FLAGS]`,
    "",
    bold("Commands:"),
    ...twoColumns(commands.map((c) => [c.name, c.summary]), page.width),
    ...more,
  ]);
}

/** Everything about one command: usage, flags with their variables and defaults, examples. */
export function renderCommandHelp(command: Command, page: Page): string {
  const { bold, dim } = style(page.colour);
  const examples = Object.entries(command.examples ?? {});
  const words = command.positionals.map((p) => positionalText(p));
  const flags = specsOf(command).map((f): [string, string] => [flagText(f), flagHelp(f)]);
  const engine = command.takesEngineWords ? ["[-- ENGINE ARGUMENTS]"] : [];
  const settings = command.settings.filter((n) => SETTINGS[n].flag !== null);
  const variables = command.settings.filter((n) => SETTINGS[n].flag === null);
  const section = (title: string, rows: readonly (readonly [string, string])[]) =>
    rows.length === 0 ? [] : ["", bold(title), ...twoColumns(rows, page.width)];
  const [first = "", ...rest] = wrap(`aim ${command.name}: ${command.summary}`, page.width);
  return lines([
    first.replace(`aim ${command.name}`, bold),
    ...rest,
    "",
    ...wrap(["Usage: aim", command.name, ...words, "[FLAGS]", ...engine].join(" "), page.width)
      .map((line) => line.replace(/^Usage:/, bold)),
    // An example is not wrapped, so that it can be copied.
    ...(examples.length === 0 ? [] : ["", bold("Examples:")]),
    ...examples.flatMap(([line, does]) => [
      ...wrap(does, page.width - 4).map((words) => dim(`  # ${words}`)),
      `  ${line}`,
    ]),
    ...section("Flags:", flags),
    ...section("Settings:", [...settings, ...GLOBAL_SETTINGS].map(settingRow)),
    ...section("Environment only:", variables.map(settingRow)),
    "",
    ...wrap("More: aim help environment (every variable), aim help exit-codes", page.width),
  ]);
}

function positionalText(p: Command["positionals"][number]): string {
  const bare = p.name.replace(/[[\].]/g, "");
  const many = p.many ? `${bare}...` : bare;
  return p.required ? many : `[${many}]`;
}

function flagText(flag: FlagSpec): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.type === "boolean" ? "" : ` ${flag.value ?? flag.choices?.join("|") ?? "VALUE"}`;
  return `${short}--${flag.name}${value}`;
}

function flagHelp(flag: FlagSpec): string {
  const notes = [
    flag.choices === undefined || flag.value === undefined ? null : `one of ${flag.choices.join(", ")}`,
    flag.type === "list" ? "may be repeated" : null,
    flag.default === undefined ? null : `default ${flag.default}`,
  ].filter((n) => n !== null);
  return notes.length === 0 ? flag.help : `${flag.help} (${notes.join("; ")})`;
}

/** A row of a setting: its flag (or variable), and its help with variable, choices and default. */
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
  // A setting that is on by default can be turned off.
  const negatable = setting.type.kind === "boolean" && setting.default === "true";
  const first = flags[0] === undefined
    ? setting.env.join(", ")
    : negatable
    ? flags[0].replace("--", "--[no-]")
    : flags[0] + value;
  return [first, notes.length === 0 ? setting.help : `${setting.help} (${notes.join("; ")})`];
}

/** Aligns and wraps the second column. A long first column gets its own line. */
export function twoColumns(rows: readonly (readonly [string, string])[], width: number): string[] {
  const most = width < 60 ? 6 : Math.min(30, Math.floor(width * 0.4));
  const indent = Math.min(most, Math.max(...rows.map(([first]) => first.length), 0) + 4);
  return rows.flatMap(([first, second]) => {
    const wrapped = wrap(second, width - indent).map((l) => " ".repeat(indent) + l);
    const head = `  ${first}`;
    if (head.length + 2 > indent) return [...wrap(first, width - 2).map((l) => `  ${l}`), ...wrapped];
    return [head.padEnd(indent) + (wrapped[0] ?? "").trimStart(), ...wrapped.slice(1)];
  });
}

/** Wraps text at spaces into lines of at most `width` characters, except for longer words. */
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
