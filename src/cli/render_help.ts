import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import type { Command, FlagSpec } from "./command.ts";
import { bold, dim } from "./style.ts";

type Row = readonly [first: string, second: string];

/** The width of a page: lines longer than 100 characters are hard to read. */
export function pageWidth(width: number): number {
  return Math.max(20, Math.min(100, width));
}

/** A part of a page: a paragraph and rows in two columns, or preformatted lines. */
export interface Section {
  /** May be empty. */
  readonly title: string;
  readonly about?: string;
  readonly rows?: readonly Row[];
  readonly lines?: readonly string[];
}

/** Paragraphs and sections, separated by empty lines. Empty sections are left out. */
export function renderPage(width: number, blocks: readonly (string | Section)[]): string {
  const texts = blocks.map((block) => {
    if (typeof block === "string") return block.split("\n").flatMap((line) => wrap(line, width)).join("\n");
    const { title, about, rows = [], lines = [] } = block;
    const paragraph = about === undefined ? [] : wrap(about, width - 2).map((line) => `  ${line}`);
    const all = [...paragraph, ...twoColumns(rows, width), ...lines];
    const head = title === "" || all.length === 0 ? [] : [bold(title)];
    return [...head, ...all.map((line) => line.trimEnd())].join("\n");
  });
  return `${texts.filter((text) => text !== "").join("\n\n")}\n`;
}

/** The list of commands. `group` is the first word of a group of commands, or empty for all. */
export function renderOverview(commands: readonly Command[], group: string, width: number): string {
  const usage = bold("Usage:");
  const list: Section = { title: "Commands:", rows: commands.map(({ name, summary }) => [name, summary]) };
  if (group !== "") {
    return renderPage(width, [
      `${usage} aim ${group} [COMMAND] [FLAGS]`,
      list,
      `More: aim help ${group} COMMAND`,
    ]);
  }
  return renderPage(width, [
    "aim gets an AI model onto AMD GPUs and serves it: it finds the GPUs, selects a profile, downloads the " +
    "model into a cache, and becomes vLLM.",
    `${usage} aim [COMMAND] [FLAGS]`,
    list,
    "Start with: aim doctor, then aim dry-run org/model, then aim serve org/model. Without a command, aim " +
    "serves AIM_ID or AIM_MODEL_ID.",
    "Also: pull, download (download-to-cache), ls (cache list), rm (cache remove), run, start (serve).\n" +
    "More: aim help COMMAND, aim help environment | exit-codes | json, aim --version",
  ]);
}

export function renderCommandHelp(command: Command, width: number): string {
  const engine = command.takesEngineWords ? " [-- ENGINE ARGUMENTS]" : "";
  const settings = command.settings.filter((name) => SETTINGS[name].flag !== null);
  const variables = command.settings.filter((name) => SETTINGS[name].flag === null);
  // An example is not wrapped, so that it can be copied.
  const examples = Object.entries(command.examples ?? {}).flatMap(([line, does]) => [
    ...wrap(does, width - 4).map((words) => dim(`  # ${words}`)),
    `  ${line}`,
  ]);
  return renderPage(width, [
    `${bold(`aim ${command.name}`)}: ${command.summary}`,
    `${bold("Usage:")} aim ${command.usage} [FLAGS]${engine}`,
    { title: "Examples:", lines: examples },
    { title: "Flags:", rows: command.flags.map(flagRow) },
    { title: "Settings:", rows: settings.map((name) => settingRow(name, "flag")) },
    { title: "Environment only:", rows: variables.map((name) => settingRow(name, "variable")) },
    "More: aim help environment (every variable), aim help exit-codes",
  ]);
}

function flagRow({ name, short, type, value, choices, initial, help }: FlagSpec): Row {
  return [
    `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
    withNotes(help, [
      choices === undefined ? null : `one of ${choices.join(", ")}`,
      type === "list" ? "may be repeated" : null,
      typeof initial === "string" ? `default ${initial}` : null,
    ]),
  ];
}

/** A setting's row: its flag or variable, then its help with the other one, choices and default. */
export function settingRow(name: SettingName, by: "flag" | "variable"): Row {
  const { env, flag, flagAliases, type, value, default: text, help }: Setting = SETTINGS[name];
  const variables = env.join(", ");
  // Shows how to turn off a boolean that is true by default.
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
function twoColumns(rows: readonly Row[], width: number): string[] {
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
