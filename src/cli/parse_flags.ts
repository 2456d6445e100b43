import { badChoice, parseBoolean } from "../config/parse_setting.ts";
import { nearest } from "../config/nearest.ts";
import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import { AimError } from "../errors/aim_error.ts";
import type { Command, CommandContext, FlagSpec } from "./command.ts";

/** A flag of a command line: a setting's, or a command's own. */
export interface KnownFlag extends Pick<FlagSpec, "name" | "type" | "choices" | "help"> {
  /** `null` for a command's own flag. */
  readonly setting: SettingName | null;
}

/** All flags of a command by spelling: long names, aliases, letters, and `--json` for `--format`. */
export function knownFlags({ settings, flags }: Pick<Command, "settings" | "flags">): Map<string, KnownFlag> {
  const known = new Map<string, KnownFlag>();
  for (const setting of settings) {
    const { flag: name, flagAliases, type, help }: Setting = SETTINGS[setting];
    if (name === null) continue;
    const choices = type.kind === "choice" ? type.choices : undefined;
    const flag = {
      name,
      type: type.kind === "boolean" ? "boolean" : "string",
      choices,
      help,
      setting,
    } as const;
    for (const spelling of [name, ...flagAliases]) known.set(`--${spelling}`, flag);
  }
  for (const spec of flags) {
    const flag = { ...spec, setting: null };
    known.set(`--${spec.name}`, flag);
    if (spec.short !== undefined) known.set(`-${spec.short}`, flag);
    if (spec.name === "format" && spec.choices?.includes("json")) known.set("--json", flag);
  }
  return known;
}

/** A parsed command line, without the command's own words. */
export interface ParsedFlags extends Pick<CommandContext, "flags" | "quiet" | "engineWords"> {
  /** Texts of settings that flags give. */
  readonly settings: Readonly<Partial<Record<SettingName, string>>>;
  readonly positionals: readonly string[];
}

/** The part of a command that parsing needs. */
export type Syntax = Pick<
  Command,
  "name" | "settings" | "flags" | "positionals" | "model" | "takesEngineWords"
>;

/**
 * Parses the words after a command: `--flag=value`, `--flag value`, `--flag`/`--no-flag` for booleans, letters,
 * `--json` for `--format json`. After `--` come the engine's words, or for other commands more positionals.
 *
 * @throws {AimError} `usage`: unknown flag (with the nearest), flag given twice, value missing, unwanted or not
 *   allowed, too many or too few positionals.
 */
export function parseFlags(command: Syntax, argv: readonly string[]): ParsedFlags {
  const known = knownFlags(command);
  const given = new Map<KnownFlag, string[]>();
  const positionals: string[] = [];
  const engineWords: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") {
      (command.takesEngineWords ? engineWords : positionals).push(...argv.slice(at + 1));
      break;
    }
    if (word === "-" || !word.startsWith("-")) {
      positionals.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const typed = equals === -1 ? word : word.slice(0, equals);
    const { flag, negated } = lookUp(typed, known, command);
    let value = equals === -1 ? (typed === "--json" ? "json" : null) : word.slice(equals + 1);
    if (flag.type !== "boolean") value ??= nextValue(typed, argv[++at]);
    else {
      const next = argv[at + 1] ?? "";
      if (value === null && !negated && flag.setting !== null && parseBoolean(next) !== undefined) {
        [value, at] = [next, at + 1];
      }
      value = booleanText(typed, value, negated, flag);
    }
    if (flag.setting === null && flag.choices !== undefined && !flag.choices.includes(value)) {
      throw badChoice(typed, value, flag.choices);
    }
    const before = given.get(flag);
    if (before !== undefined && flag.type !== "list") {
      throw new AimError("usage", `--${flag.name} is given twice`, { hint: "give it once" });
    }
    given.set(flag, [...before ?? [], value]);
  }
  const parsed = withModel(command, { positionals, engineWords, ...collect(command, given) });
  checkPositionals(command, parsed);
  return parsed;
}

function lookUp(
  typed: string,
  known: ReadonlyMap<string, KnownFlag>,
  command: Syntax,
): { flag: KnownFlag; negated: boolean } {
  const flag = known.get(typed);
  if (flag !== undefined) return { flag, negated: false };
  const positive = typed.startsWith("--no-") ? known.get(`--${typed.slice(5)}`) : undefined;
  if (positive?.type === "boolean") return { flag: positive, negated: true };
  if (Object.values<Setting>(SETTINGS).some((setting) => `--${setting.flag}` === typed)) {
    throw unexpected(command, `aim ${command.name} takes no ${typed}`);
  }
  const names = [...known.keys()].flatMap((name) => name.startsWith("--") ? [name.slice(2)] : []);
  const near = typed.startsWith("--") ? nearest(typed.slice(2), names) : null;
  if (near === null && !command.takesEngineWords) throw unexpected(command, `unknown flag ${typed}`);
  throw new AimError("usage", `unknown flag ${typed}`, {
    hint: near === null
      ? `the engine's own arguments go after --, as: aim ${command.name} org/model -- ${typed}`
      : `did you mean --${near}?`,
  });
}

function unexpected({ name }: Syntax, message: string): AimError {
  return new AimError("usage", message, { hint: `see aim help ${name}` });
}

function booleanText(typed: string, value: string | null, negated: boolean, flag: KnownFlag): string {
  if (value === null) return negated ? "false" : "true";
  const parsed = negated ? undefined : parseBoolean(value);
  if (parsed !== undefined) return String(parsed);
  throw new AimError("usage", `${typed} is ${JSON.stringify(value)}`, {
    hint: negated ? `use ${typed} without a value` : `use --${flag.name} or --${flag.name}=false`,
  });
}

function nextValue(typed: string, next: string | undefined): string {
  // A word that begins with a dash is the next flag, unless it is a number.
  if (next !== undefined && (next === "-" || !next.startsWith("-") || /^-\d/.test(next))) return next;
  throw new AimError("usage", `${typed} needs a value`, {
    hint: next === undefined
      ? `write ${typed} VALUE`
      : `write ${typed}=VALUE if the value begins with a dash`,
  });
}

/**
 * Puts the model that MODEL, `--model-id` or `--model` names in the flag that the command reads.
 *
 * @throws {AimError} `usage` if two of them differ.
 */
function withModel({ name, model }: Syntax, parsed: ParsedFlags): ParsedFlags {
  if (model === undefined) return parsed;
  const { flags, settings, positionals } = parsed;
  const id = typeof flags["model-id"] === "string" ? flags["model-id"] : undefined;
  // `fetch MODEL DEST` is also `fetch --model-id MODEL DEST`.
  const isDest = name === "fetch" && id !== undefined && positionals.length < 2;
  const positional = isDest ? undefined : positionals[0];
  const said = [["MODEL", positional], ["--model-id", id], ["--model", settings.modelId]] as const;
  const named = said.flatMap(([how, what]) => what === undefined ? [] : [{ how, what }]);
  const text = named[0]?.what;
  const other = named.find(({ what }) => what !== text);
  if (other !== undefined) {
    const [one, two] = [...named.slice(0, 1), other].map(({ how, what }) => {
      const does = how === "--model" ? "downloads what the profile for it loads" : "downloads exactly that";
      return `${how} ${JSON.stringify(what)}${model === "served" ? "" : ` ${does}`}`;
    });
    throw new AimError("usage", `two models are named: ${one}, ${two}`, { hint: "name one of them" });
  }
  if (model === "source") return { ...parsed, flags: { ...flags, "model-id": positional ?? id } };
  return text === undefined ? parsed : { ...parsed, settings: { ...settings, modelId: text } };
}

function checkPositionals(command: Syntax, { positionals: given, flags, settings }: ParsedFlags): void {
  const { positionals: specs, model } = command;
  const hasModel = (model === "served" && settings.modelId !== undefined) ||
    (model === "source" && flags["model-id"] !== undefined);
  const missing = hasModel ? undefined : specs.filter((s) => s.required)[given.length];
  if (missing !== undefined) throw unexpected(command, `aim ${command.name} needs ${missing.name}`);
  const extra = specs.some((s) => s.many) ? undefined : given[specs.length];
  if (extra !== undefined) throw unexpected(command, `unexpected argument ${JSON.stringify(extra)}`);
  for (const [at, { name, choices }] of specs.entries()) {
    const word = given[at];
    if (word !== undefined && choices?.includes(word) === false) throw badChoice(name, word, choices);
  }
  // A shell may complete an empty word.
  if (given.includes("") && command.name !== "__complete") throw unexpected(command, "an argument is empty");
}

function collect(
  command: Syntax,
  given: ReadonlyMap<KnownFlag, readonly string[]>,
): Pick<ParsedFlags, "flags" | "settings" | "quiet"> {
  const settings: Partial<Record<SettingName, string>> = {};
  const flags: Record<string, CommandContext["flags"][string]> = {};
  for (const { name, type, default: text } of command.flags) {
    flags[name] = type === "boolean" ? false : type === "list" ? [] : text;
  }
  for (const [{ name, type, setting }, values] of given) {
    const last = values.at(-1) ?? "";
    if (setting !== null) settings[setting] = last;
    else flags[name] = type === "boolean" ? last === "true" : type === "list" ? values : last;
  }
  const { quiet, ...own } = flags;
  return {
    settings: quiet === true ? { logLevel: "WARNING", ...settings } : settings,
    flags: own,
    quiet: quiet === true,
  };
}
