import { badChoice, parseBoolean } from "../config/parse_setting.ts";
import { nearest } from "../config/nearest.ts";
import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import { AimError } from "../errors/aim_error.ts";
import { type Command, type CommandContext, type FlagSpec, listed, text } from "./command.ts";

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
export interface ParsedFlags extends Pick<CommandContext, "flags" | "args" | "engineWords"> {
  /** Texts of settings that flags give. */
  readonly settings: Readonly<Partial<Record<SettingName, string>>>;
}

/**
 * Parses the words after a command: `--flag=value`, `--flag value`, `--flag`/`--no-flag` for booleans, letters,
 * `--json` for `--format json`. After `--` come the engine's words, or for other commands more positionals.
 *
 * @throws {AimError} `usage`: unknown flag (with the nearest), flag given twice, value missing, unwanted or not
 *   allowed, too many or too few positionals.
 */
export function parseFlags(command: Command, argv: readonly string[]): ParsedFlags {
  const known = knownFlags(command);
  const given = new Set<KnownFlag>();
  const settings: Partial<Record<SettingName, string>> = {};
  const flags: Record<string, CommandContext["flags"][string]> = {};
  for (const { name, type, default: byDefault } of command.flags) {
    flags[name] = type === "boolean" ? false : type === "list" ? [] : byDefault;
  }
  const args: string[] = [];
  const engineWords: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") {
      (command.takesEngineWords ? engineWords : args).push(...argv.slice(at + 1));
      break;
    }
    if (word === "-" || !word.startsWith("-")) {
      args.push(word);
      continue;
    }
    const [typed = "", inline] = word.split(/=(.*)/s, 2);
    const { flag, negated } = lookUp(typed, known, command);
    const { name, type, setting, choices } = flag;
    let value = inline ?? (typed === "--json" ? "json" : null);
    if (type !== "boolean") value ??= nextValue(typed, argv[++at]);
    else {
      const next = argv[at + 1] ?? "";
      if (value === null && !negated && setting !== null && parseBoolean(next) !== undefined) {
        [value, at] = [next, at + 1];
      }
      value = booleanText(typed, value, negated, flag);
    }
    if (setting === null && choices?.includes(value) === false) throw badChoice(typed, value, choices);
    if (given.has(flag) && type !== "list") {
      throw new AimError("usage", `--${name} is given twice`, { hint: "give it once" });
    }
    given.add(flag);
    if (setting !== null) settings[setting] = value;
    else if (type === "list") flags[name] = [...listed(flags[name]), value];
    else flags[name] = type === "boolean" ? value === "true" : value;
  }
  if (flags.quiet === true) settings.logLevel ??= "WARNING";
  const parsed = withModel(command, { flags, settings, args, engineWords });
  checkPositionals(command, parsed);
  return parsed;
}

function lookUp(
  typed: string,
  known: ReadonlyMap<string, KnownFlag>,
  command: Command,
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

function unexpected({ name }: Command, message: string): AimError {
  return new AimError("usage", message, { hint: `see aim help ${name}` });
}

function booleanText(typed: string, value: string | null, negated: boolean, flag: KnownFlag): string {
  if (value === null) return negated ? "false" : "true";
  const parsed = negated ? undefined : parseBoolean(value);
  if (parsed !== undefined) return String(parsed);
  const hint = negated ? `use ${typed} without a value` : `use --${flag.name} or --${flag.name}=false`;
  throw new AimError("usage", `${typed} is ${JSON.stringify(value)}`, { hint });
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
 * Puts the model that MODEL, `--model-id` or `--model` names where the command reads it: in the setting, or
 * for a `source` in the positionals.
 *
 * @throws {AimError} `usage` if two of them differ.
 */
function withModel({ name, model }: Command, parsed: ParsedFlags): ParsedFlags {
  if (model === undefined) return parsed;
  const { flags, settings, args } = parsed;
  const id = text(flags["model-id"]);
  // `fetch MODEL DEST` is also `fetch --model-id MODEL DEST`.
  const isDest = name === "fetch" && id !== undefined && args.length < 2;
  const positional = isDest ? undefined : args[0];
  const said = [["MODEL", positional], ["--model-id", id], ["--model", settings.modelId]] as const;
  const [first, ...others] = said.filter(([, what]) => what !== undefined);
  const other = others.find(([, what]) => what !== first?.[1]);
  if (first !== undefined && other !== undefined) {
    const [one, two] = [first, other].map(([how, what]) => {
      const does = how === "--model" ? "downloads what the profile for it loads" : "downloads exactly that";
      return `${how} ${JSON.stringify(what)}${model === "served" ? "" : ` ${does}`}`;
    });
    throw new AimError("usage", `two models are named: ${one}, ${two}`, { hint: "name one of them" });
  }
  if (model === "source") {
    return positional === undefined && id !== undefined ? { ...parsed, args: [id, ...args] } : parsed;
  }
  const named = first?.[1];
  return named === undefined ? parsed : { ...parsed, settings: { ...settings, modelId: named } };
}

function checkPositionals(command: Command, { args, settings }: ParsedFlags): void {
  const { positionals, model } = command;
  const hasModel = model === "served" && settings.modelId !== undefined;
  const missing = hasModel ? undefined : positionals.filter((one) => one.required)[args.length];
  if (missing !== undefined) throw unexpected(command, `aim ${command.name} needs ${missing.name}`);
  const extra = positionals.some((one) => one.many) ? undefined : args[positionals.length];
  if (extra !== undefined) throw unexpected(command, `unexpected argument ${JSON.stringify(extra)}`);
  for (const [at, { name, choices }] of positionals.entries()) {
    const word = args[at];
    if (word !== undefined && choices?.includes(word) === false) throw badChoice(name, word, choices);
  }
  // A shell may complete an empty word.
  if (args.includes("") && command.name !== "__complete") throw unexpected(command, "an argument is empty");
}
