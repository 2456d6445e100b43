import { badChoice, parseBoolean } from "../config/parse_setting.ts";
import { nearest } from "../config/nearest.ts";
import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import { AimError } from "../errors/aim_error.ts";
import { type Command, type CommandContext, type FlagSpec, listed, text } from "./command.ts";

/** A flag that a command accepts: a setting's, or the command's own, for which `setting` is `null`. */
export interface KnownFlag extends Pick<FlagSpec, "name" | "type" | "choices" | "help"> {
  readonly setting: SettingName | null;
  /** `--no-…` of a boolean. */
  readonly negated?: boolean;
}

/** All flags of a command by spelling: names, aliases, letters, negations, and `--json` for `--format`. */
export function knownFlags({ settings, flags }: Pick<Command, "settings" | "flags">): Map<string, KnownFlag> {
  const known = new Map<string, KnownFlag>();
  const add = (flag: KnownFlag, spellings: readonly string[]) => {
    for (const spelling of spellings) {
      known.set(`--${spelling}`, flag);
      if (flag.type === "boolean") known.set(`--no-${spelling}`, { ...flag, negated: true });
    }
  };
  for (const setting of settings) {
    const { flag: name, flagAliases, type: of, help }: Setting = SETTINGS[setting];
    if (name === null) continue;
    const type = of.kind === "boolean" ? "boolean" : "string";
    const choices = of.kind === "choice" ? of.choices : undefined;
    add({ name, type, choices, help, setting }, [name, ...flagAliases]);
  }
  for (const spec of flags) {
    const flag = { ...spec, setting: null };
    add(flag, [spec.name]);
    if (spec.short !== undefined) known.set(`-${spec.short}`, flag);
    if (spec.name === "format" && spec.choices?.includes("json")) known.set("--json", flag);
  }
  return known;
}

/** A parsed command line, without the command's name. */
export interface ParsedFlags extends Pick<CommandContext, "flags" | "args" | "engineWords"> {
  /** Unparsed values of settings that were given as flags. */
  readonly settings: Readonly<Partial<Record<SettingName, string>>>;
}

/**
 * Parses the words after a command's name. Words after `--` are the engine's if the command takes them, else
 * positionals.
 *
 * @throws {AimError} `usage`: unknown flag (the hint has the nearest), flag given twice, value missing,
 * unexpected or not allowed, too many or too few positionals.
 */
export function parseFlags(command: Command, argv: readonly string[]): ParsedFlags {
  const known = knownFlags(command);
  const given = new Set<string>();
  const settings: Partial<Record<SettingName, string>> = {};
  const flags = Object.fromEntries(command.flags.map(({ name, initial }) => [name, initial]));
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
    const flag = known.get(typed);
    if (flag === undefined) throw unknownFlag(typed, known, command);
    const { name, type, setting, choices } = flag;
    let value = inline ?? (typed === "--json" ? "json" : undefined);
    if (type !== "boolean") value ??= nextValue(typed, argv[++at]);
    else {
      // A boolean setting also takes the next word if it is a boolean.
      const mayFollow = value === undefined && !flag.negated && setting !== null;
      if (mayFollow && parseBoolean(argv[at + 1] ?? "") !== undefined) value = argv[++at];
      value = booleanText(typed, value, flag);
    }
    if (setting === null && choices?.includes(value) === false) throw badChoice(typed, value, choices);
    if (given.has(name) && type !== "list") {
      throw new AimError("usage", `--${name} is given twice`, { hint: "give it once" });
    }
    given.add(name);
    if (setting !== null) settings[setting] = value;
    else if (type === "list") flags[name] = [...listed(flags[name]), value];
    else flags[name] = type === "boolean" ? value === "true" : value;
  }
  if (flags.quiet === true) settings.logLevel ??= "WARNING";
  const parsed = withModel(command, { flags, settings, args, engineWords });
  checkPositionals(command, parsed);
  return parsed;
}

function unknownFlag(typed: string, known: ReadonlyMap<string, KnownFlag>, command: Command): AimError {
  if (Object.values<Setting>(SETTINGS).some((setting) => `--${setting.flag}` === typed)) {
    return unexpected(command, `aim ${command.name} takes no ${typed}`);
  }
  const message = `unknown flag ${typed}`;
  const names = [...known.keys()].flatMap((name) => name.startsWith("--") ? [name.slice(2)] : []);
  const near = typed.startsWith("--") ? nearest(typed.slice(2), names) : null;
  if (near !== null) return new AimError("usage", message, { hint: `did you mean --${near}?` });
  if (!command.takesEngineWords) return unexpected(command, message);
  const hint = `put engine arguments after --, as in: aim ${command.name} org/model -- ${typed}`;
  return new AimError("usage", message, { hint });
}

function unexpected({ name }: Command, message: string): AimError {
  return new AimError("usage", message, { hint: `see aim help ${name}` });
}

function booleanText(typed: string, value: string | undefined, { name, negated = false }: KnownFlag): string {
  if (value === undefined) return String(!negated);
  const parsed = negated ? undefined : parseBoolean(value);
  if (parsed !== undefined) return String(parsed);
  const hint = negated ? `use ${typed} without a value` : `use --${name} or --${name}=false`;
  throw new AimError("usage", `${typed} is ${JSON.stringify(value)}`, { hint });
}

function nextValue(typed: string, next: string | undefined): string {
  // A word that begins with a dash is the next flag, unless it is a number.
  if (next !== undefined && (next === "-" || !next.startsWith("-") || /^-\d/.test(next))) return next;
  const hint = next === undefined
    ? `write ${typed} VALUE`
    : `write ${typed}=VALUE if the value begins with a dash`;
  throw new AimError("usage", `${typed} needs a value`, { hint });
}

/**
 * Puts the model named by MODEL, `--model-id` or `--model` where the command reads it: in the setting, or for
 * a `source` in the positionals.
 *
 * @throws {AimError} `usage` if two of them differ.
 */
function withModel({ name, model }: Command, parsed: ParsedFlags): ParsedFlags {
  if (model === undefined) return parsed;
  const { flags, settings, args } = parsed;
  const id = text(flags["model-id"]);
  // `fetch --model-id MODEL DEST` is the same as `fetch MODEL DEST`.
  const isDest = name === "fetch" && id !== undefined && args.length < 2;
  const positional = isDest ? undefined : args[0];
  const said = [["MODEL", positional], ["--model-id", id], ["--model", settings.modelId]] as const;
  const [first, ...others] = said.filter(([, what]) => what !== undefined);
  const other = others.find(([, what]) => what !== first?.[1]);
  if (first !== undefined && other !== undefined) {
    const [one, two] = [first, other].map(([how, what]) => {
      const does = how === "--model" ? "downloads what its profile loads" : "downloads exactly this model";
      return `${how} ${JSON.stringify(what)}${model === "served" ? "" : ` ${does}`}`;
    });
    throw new AimError("usage", `two models are named: ${one}, ${two}`, { hint: "name only one" });
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
