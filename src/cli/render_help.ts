import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import type { Command, FlagSpec } from "./command.ts";
import { type Page, style } from "./style.ts";

type Row = readonly [first: string, second: string];

/** A page for reading: longer lines than 100 characters are hard to read. */
export function pageOf({ colour, width }: Page): Page {
  return { colour, width: Math.max(20, Math.min(100, width)) };
}

/** The list of commands. `group` is the first word of a group of commands, or empty for all. */
export function renderOverview(commands: readonly Command[], group: string, page: Page): string {
  const { bold } = style(page.colour);
  const text = (words: string) => wrap(words, page.width);
  const list = [bold("Commands:"), ...twoColumns(commands.map((c) => [c.name, c.summary]), page.width), ""];
  if (group !== "") {
    return pageText([
      `${bold("Usage:")} aim ${group} [COMMAND] [FLAGS]`,
      "",
      ...list,
      `More: aim help ${group} COMMAND`,
    ]);
  }
  return pageText([
    ...text(
      "aim gets an AI model onto AMD GPUs and serves it: it finds the GPUs, selects a profile, downloads " +
        "the model into a cache, and becomes vLLM.",
    ),
    "",
    `${bold("Usage:")} aim [COMMAND] [FLAGS]`,
    "",
    ...list,
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
    ...text("More: aim help COMMAND, aim help environment | exit-codes | json, aim --version"),
  ]);
}

export function renderCommandHelp(command: Command, page: Page): string {
  const { bold, dim } = style(page.colour);
  const examples = Object.entries(command.examples ?? {});
  const engine = command.takesEngineWords ? ["[-- ENGINE ARGUMENTS]"] : [];
  const settings = command.settings.filter((n) => SETTINGS[n].flag !== null);
  const variables = command.settings.filter((n) => SETTINGS[n].flag === null);
  const section = (title: string, rows: readonly Row[]) =>
    rows.length === 0 ? [] : ["", bold(title), ...twoColumns(rows, page.width)];
  const [first = "", ...rest] = wrap(`aim ${command.name}: ${command.summary}`, page.width);
  return pageText([
    first.replace(`aim ${command.name}`, bold),
    ...rest,
    "",
    ...wrap(["Usage: aim", command.usage, "[FLAGS]", ...engine].join(" "), page.width)
      .map((line) => line.replace(/^Usage:/, bold)),
    // An example is not wrapped, so that it can be copied.
    ...(examples.length === 0 ? [] : ["", bold("Examples:")]),
    ...examples.flatMap(([line, does]) => [
      ...wrap(does, page.width - 4).map((words) => dim(`  # ${words}`)),
      `  ${line}`,
    ]),
    ...section("Flags:", command.flags.map(flagRow)),
    ...section("Settings:", settings.map((name) => settingRow(name, "flag"))),
    ...section("Environment only:", variables.map((name) => settingRow(name, "variable"))),
    "",
    ...wrap("More: aim help environment (every variable), aim help exit-codes", page.width),
  ]);
}

function flagRow({ name, short, type, value, choices, default: text, help }: FlagSpec): Row {
  return [
    `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
    withNotes(help, [
      choices === undefined ? null : `one of ${choices.join(", ")}`,
      type === "list" ? "may be repeated" : null,
      text === undefined ? null : `default ${text}`,
    ]),
  ];
}

/** A row of a setting, by its flag or its variable: its help with the other one, choices and default. */
export function settingRow(name: SettingName, by: "flag" | "variable"): Row {
  const { env, flag, flagAliases, type, value, default: text, help }: Setting = SETTINGS[name];
  const variables = env.join(", ");
  // A boolean that is true by default can be turned off.
  const bare = text === "true" ? `--[no-]${flag}` : `--${flag}`;
  const usage = flag === null ? null : type.kind === "boolean" ? bare : `--${flag} ${value}`;
  return [
    by === "flag" && usage !== null ? usage : variables,
    withNotes(help, [
      flagAliases.length > 0 ? `also ${flagAliases.map((alias) => `--${alias}`).join(", ")}` : null,
      type.kind === "choice" && type.choices.length > 1 ? `one of ${type.choices.join(", ")}` : null,
      by === "flag" ? variables : usage,
      text === null ? null : `default ${text}`,
    ]),
  ];
}

function withNotes(help: string, notes: readonly (string | null)[]): string {
  const known = notes.filter((note) => note !== null);
  return known.length === 0 ? help : `${help} (${known.join("; ")})`;
}

/** Aligns and wraps the second column. A long first column gets its own line. */
export function twoColumns(rows: readonly Row[], width: number): string[] {
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

/** Lines as a page, without spaces at their ends and empty lines at the end. */
export function pageText(lines: readonly string[]): string {
  return `${lines.map((line) => line.trimEnd()).join("\n").trimEnd()}\n`;
}
