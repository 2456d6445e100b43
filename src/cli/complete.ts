import { type Setting, SETTINGS } from "../config/settings.ts";
import type { Command } from "./command.ts";
import { GLOBAL_SETTINGS } from "./parse_flags.ts";

/** One word that may come next. */
export interface Candidate {
  readonly word: string;
  /** Shown by shells that can. */
  readonly help: string;
}

/** What may come next: words, and where nothing more is known, paths. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly paths: "files" | "none";
}

/** What completion needs to know of the world. */
export interface CompletionSources {
  readonly commandNames: readonly string[];
  loadCommand(name: string): Promise<Command | null>;
  /** Ids of the profiles that can be selected, given the words so far. */
  profileIds(): Promise<readonly string[]>;
  /** Names of the models in the caches. */
  cachedModels(): Promise<readonly string[]>;
  /** Pages of help beside the commands. */
  readonly topics: readonly string[];
}

const NOTHING: Completion = { candidates: [], paths: "none" };
const FILES: Completion = { candidates: [], paths: "files" };

/**
 * What may stand in the place of the last word.
 *
 * @param words The words after `aim`, the last one begun or empty.
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
  if (flag !== undefined && flag.value !== null) return starting(current, await valuesOf(flag, sources));
  if (current.startsWith("-")) return starting(current, flagNames(flags));
  if (command === null) return starting(current, commandWords(rest, sources.commandNames));
  return starting(current, await positional(command, rest.length, rest, sources));
}

/** A flag that takes a value has a `value`. */
interface KnownFlag {
  readonly help: string;
  readonly value: null | {
    readonly choices: readonly string[];
    readonly kind: "profiles" | "models" | "files" | "text";
  };
}

/** The command that the words name, and the words that are neither its own nor flags nor their values. */
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
    if (flag !== undefined && flag.value !== null) at++;
    else if (!word.startsWith("-")) {
      rest.push(word);
      if (command !== null || rest.length > 2) continue;
      command = await sources.loadCommand(rest.join(" "));
      if (command !== null) [rest.length, flags] = [0, flagsOf(command)];
    }
  }
  return { command, rest };
}

/** By name with dashes. Without a command, those of all settings: flags may stand before it. */
function flagsOf(command: Command | null): Map<string, KnownFlag> {
  const flags = new Map<string, KnownFlag>();
  const settings = command === null
    ? Object.values<Setting>(SETTINGS)
    : [...command.settings, ...GLOBAL_SETTINGS].map((n): Setting => SETTINGS[n]);
  for (const { flag, type, help } of settings) {
    if (flag === null) continue;
    if (type.kind === "boolean") {
      flags.set(`--${flag}`, { help, value: null });
      continue;
    }
    const kind = flag === "profile"
      ? "profiles"
      : flag === "model" || flag === "aim-id"
      ? "models"
      : type.kind === "path"
      ? "files"
      : "text";
    flags.set(`--${flag}`, { help, value: { choices: type.kind === "choice" ? type.choices : [], kind } });
  }
  for (const flag of command?.flags ?? []) {
    const known: KnownFlag = {
      help: flag.help,
      value: flag.type === "boolean" ? null : { choices: flag.choices ?? [], kind: "text" },
    };
    flags.set(`--${flag.name}`, known);
    if (flag.short !== undefined) flags.set(`-${flag.short}`, known);
  }
  if (command === null) flags.set("--version", { help: "show version, commit and form", value: null });
  flags.set("--help", { help: "show help", value: null });
  return flags;
}

function flagNames(flags: ReadonlyMap<string, KnownFlag>): Completion {
  const candidates = [...flags].filter(([name]) => name.startsWith("--")).map(([word, { help }]) => ({
    word,
    help,
  }));
  return { candidates, paths: "none" };
}

async function valuesOf(flag: KnownFlag | undefined, sources: CompletionSources): Promise<Completion> {
  const value = flag?.value ?? null;
  if (value === null) return NOTHING;
  if (value.choices.length > 0) return plain(value.choices);
  switch (value.kind) {
    case "profiles":
      return plain(await sources.profileIds());
    case "models":
      return plain(await sources.cachedModels());
    case "files":
      return FILES;
    case "text":
      return NOTHING;
  }
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
