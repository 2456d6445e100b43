import { SETTING_NAMES, SETTINGS } from "../config/settings.ts";
import type { Command, CommandTable } from "./command.ts";
import { type KnownFlag, knownFlags } from "./known_flags.ts";

/** Where completion finds names. */
interface CompletionSources {
  readonly commands: CommandTable;
  /** Ids of the profiles that the words so far allow. */
  profileIds(): Promise<readonly string[]>;
  cachedModels(): Promise<readonly string[]>;
  /** Help topics. */
  readonly topics: readonly string[];
}

/** Paths are possible too. */
const FILES = ":files";

/**
 * Possible completions of the last word, one a line: the word, and perhaps its help after a tab; or `:files`.
 *
 * @param words The words after `aim`; the last one may be incomplete or empty.
 */
export async function complete(words: readonly string[], sources: CompletionSources): Promise<string[]> {
  const current = words.at(-1) ?? "";
  const lines = await following(words.slice(0, -1), current, sources);
  return lines.filter((line) => line === FILES || line.startsWith(current));
}

async function following(
  before: readonly string[],
  current: string,
  sources: CompletionSources,
): Promise<readonly string[]> {
  const { command, rest } = await commandOf(before, sources.commands);
  const flags = flagsOf(command);
  const [, name = "", equals] = /^(--[^=]*)(=)?/.exec(current) ?? [];
  if (equals !== undefined) {
    const values = await valuesOf(flags.get(name), sources);
    return values.map((value) => value === FILES ? value : `${name}=${value}`);
  }
  const flag = flags.get(before.at(-1) ?? "");
  if (takesValue(flag)) return await valuesOf(flag, sources);
  if (current.startsWith("-")) {
    return [...flags].filter(([word, { name }]) => word === `--${name}`).map(([word, { help }]) =>
      `${word}\t${help}`
    );
  }
  return command === null ? commandWords(rest, sources.commands) : await positional(command, rest, sources);
}

/** The command in the words, and its positionals. */
async function commandOf(
  words: readonly string[],
  commands: CommandTable,
): Promise<{ command: Command | null; rest: string[] }> {
  const rest: string[] = [];
  let command: Command | null = null;
  let flags = flagsOf(null);
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (takesValue(flags.get(word))) at++;
    else if (!word.startsWith("-")) {
      rest.push(word);
      if (command !== null || rest.length > 2) continue;
      command = await commands.load(rest.join(" "));
      if (command !== null) [rest.length, flags] = [0, flagsOf(command)];
    }
  }
  return { command, rest };
}

/** Flags by spelling. Before a command, those of all settings. */
function flagsOf(command: Command | null): Map<string, KnownFlag> {
  const flags = knownFlags(command ?? { settings: SETTING_NAMES, flags: [] });
  const own = { type: "boolean", setting: null } as const;
  if (command === null) {
    flags.set("--version", { name: "version", help: "show version, commit and form", ...own });
  }
  return flags.set("--help", { name: "help", help: "show help", ...own });
}

function takesValue(flag: KnownFlag | undefined): flag is KnownFlag {
  return flag !== undefined && flag.type !== "boolean";
}

async function valuesOf(flag: KnownFlag | undefined, sources: CompletionSources): Promise<readonly string[]> {
  if (!takesValue(flag)) return [];
  const { choices, setting } = flag;
  if (choices !== undefined) return choices;
  if (setting === "profileId") return await sources.profileIds();
  if (setting === "modelId" || setting === "aimId") return await sources.cachedModels();
  return setting !== null && SETTINGS[setting].type.kind === "path" ? [FILES] : [];
}

/** First words of commands, or after the first word of a two-word command its second words. */
function commandWords(rest: readonly string[], commands: CommandTable): string[] {
  const before = rest.map((word) => `${word} `).join("");
  const names = commands.names().filter((name) => name.startsWith(before));
  return [...new Set(names.map((name) => name.slice(before.length).split(" ")[0] ?? ""))];
}

async function positional(
  command: Command,
  rest: readonly string[],
  { commands, topics, cachedModels }: CompletionSources,
): Promise<readonly string[]> {
  if (command.name === "help") return [...commandWords(rest, commands), ...rest.length === 0 ? topics : []];
  const spec = command.positionals[rest.length] ?? command.positionals.findLast((p) => p.many);
  if (spec?.choices !== undefined) return spec.choices;
  if (spec?.name === "MODEL") return await cachedModels();
  return /PATH|DEST|DIR/.test(spec?.name ?? "") ? [FILES] : [];
}
