import { type SettingName, SETTINGS } from "../config/settings.ts";
import type { Command } from "./command.ts";
import { type KnownFlag, knownFlags } from "./known_flags.ts";

interface Candidate {
  readonly word: string;
  readonly help: string;
}

/** Possible next words, and whether paths are possible too. */
interface Completion {
  readonly candidates: readonly Candidate[];
  readonly paths: "files" | "none";
}

/** Where completion finds names. */
interface CompletionSources {
  readonly commandNames: readonly string[];
  loadCommand(name: string): Promise<Command | null>;
  /** Ids of the profiles that the words so far allow. */
  profileIds(): Promise<readonly string[]>;
  cachedModels(): Promise<readonly string[]>;
  /** Help topics. */
  readonly topics: readonly string[];
}

const NOTHING: Completion = { candidates: [], paths: "none" };
const FILES: Completion = { candidates: [], paths: "files" };

/**
 * Possible completions of the last word.
 *
 * @param words The words after `aim`; the last one may be incomplete or empty.
 */
export async function complete(words: readonly string[], sources: CompletionSources): Promise<Completion> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { command, rest } = await commandOf(before, sources);
  const flags = flagsOf(command);
  const equals = current.indexOf("=");
  if (current.startsWith("--") && equals !== -1) {
    const name = current.slice(0, equals);
    return starting(current, prefixed(`${name}=`, await valuesOf(flags.get(name), sources)));
  }
  const flag = flags.get(before.at(-1) ?? "");
  if (takesValue(flag)) return starting(current, await valuesOf(flag, sources));
  if (current.startsWith("-")) return starting(current, flagNames(flags));
  if (command === null) return starting(current, commandWords(rest, sources.commandNames));
  return starting(current, await positional(command, rest.length, rest, sources));
}

/** The command in the words, and its positionals. */
async function commandOf(
  words: readonly string[],
  sources: CompletionSources,
): Promise<{ command: Command | null; rest: string[] }> {
  const rest: string[] = [];
  let command: Command | null = null;
  let flags = flagsOf(null);
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const flag = flags.get(word);
    if (takesValue(flag)) at++;
    else if (!word.startsWith("-")) {
      rest.push(word);
      if (command !== null || rest.length > 2) continue;
      command = await sources.loadCommand(rest.join(" "));
      if (command !== null) [rest.length, flags] = [0, flagsOf(command)];
    }
  }
  return { command, rest };
}

/** Flags by spelling. Before a command, those of all settings. */
function flagsOf(command: Command | null): Map<string, KnownFlag> {
  const flags = knownFlags(command ?? { settings: Object.keys(SETTINGS) as SettingName[], flags: [] });
  const own = { type: "boolean", choices: undefined, setting: null } as const;
  if (command === null) {
    flags.set("--version", { name: "--version", help: "show version, commit and form", ...own });
  }
  return flags.set("--help", { name: "--help", help: "show help", ...own });
}

function takesValue(flag: KnownFlag | undefined): flag is KnownFlag {
  return flag !== undefined && flag.type !== "boolean";
}

function flagNames(flags: ReadonlyMap<string, KnownFlag>): Completion {
  const candidates = [...flags].filter(([word, { name }]) => word === name)
    .map(([word, { help }]) => ({ word, help }));
  return { candidates, paths: "none" };
}

async function valuesOf(flag: KnownFlag | undefined, sources: CompletionSources): Promise<Completion> {
  if (!takesValue(flag)) return NOTHING;
  if (flag.choices !== undefined) return plain(flag.choices);
  if (flag.setting === "profileId") return plain(await sources.profileIds());
  if (flag.setting === "modelId" || flag.setting === "aimId") return plain(await sources.cachedModels());
  return flag.setting !== null && SETTINGS[flag.setting].type.kind === "path" ? FILES : NOTHING;
}

/** First words of commands, or after the first word of a two-word command its second words. */
function commandWords(rest: readonly string[], names: readonly string[]): Completion {
  const before = rest.length === 0 ? "" : `${rest.join(" ")} `;
  const following = names.filter((n) => n.startsWith(before)).map((n) =>
    n.slice(before.length).split(" ")[0] ?? ""
  );
  return plain([...new Set(following)]);
}

async function positional(
  command: Command,
  at: number,
  rest: readonly string[],
  sources: CompletionSources,
): Promise<Completion> {
  if (command.name === "help") {
    const words = commandWords(rest, sources.commandNames);
    return rest.length === 0 ? plain([...words.candidates.map((c) => c.word), ...sources.topics]) : words;
  }
  const spec = command.positionals[at] ?? command.positionals.findLast((p) => p.many);
  if (spec === undefined) return NOTHING;
  if (spec.choices !== undefined) return plain(spec.choices);
  if (/MODEL/.test(spec.name)) return plain(await sources.cachedModels());
  return /PATH|DEST|FILE|DIR/.test(spec.name) ? FILES : NOTHING;
}

function plain(words: readonly string[]): Completion {
  return { candidates: words.map((word) => ({ word, help: "" })), paths: "none" };
}

function prefixed(prefix: string, { candidates, paths }: Completion): Completion {
  return { candidates: candidates.map(({ word, help }) => ({ word: prefix + word, help })), paths };
}

function starting(current: string, { candidates, paths }: Completion): Completion {
  return { candidates: candidates.filter((c) => c.word.startsWith(current)), paths };
}
