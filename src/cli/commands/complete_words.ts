import { namesInCache } from "../../cache/list_models.ts";
import { resolveConfig } from "../../config/resolve_config.ts";
import { SETTING_NAMES, type SettingName, SETTINGS } from "../../config/settings.ts";
import { loadProfiles } from "../../profiles/load_profiles.ts";
import { type Command, command, type CommandContext, flagsOf, QUIET_FLAG } from "../command.ts";
import { TOPICS } from "../help_topics.ts";
import { type KnownFlag, knownFlags } from "../parse_flags.ts";

/** `aim __complete -- WORDS…`: possible completions of the last word, for the completion scripts. */
export const completeWords = command({
  usage: "__complete [WORD...]",
  summary: "list possible next words; for completion scripts",
  async run({ args, env, commands, print }) {
    const lines = await complete(args, await commands(), (kind, settings) => namesOf(kind, settings, env));
    for (const line of lines) print(`${line}\n`);
  },
});

type Settings = Partial<Record<SettingName, string>>;
type Names = "models" | "profiles";

async function namesOf(kind: Names, flags: Settings, env: CommandContext["env"]): Promise<string[]> {
  try {
    const config = resolveConfig({ flags, env, cwd: Deno.cwd() });
    if (kind === "models") return await namesInCache(config);
    const { profiles } = await loadProfiles(config, config.aimId ?? config.modelId);
    return profiles.map((profile) => profile.id).sort();
  } catch {
    // While a shell completes, errors must not be printed.
    return [];
  }
}

/** Tells the scripts to offer paths. */
const FILES = ":files";

/**
 * One line for each word that can follow, perhaps with its help after a tab; `:files` if paths can follow.
 *
 * @param words The words after `aim`; the last one may be incomplete or empty.
 * @param namesOf Models in the cache or ids of profiles, with the settings that the words so far give.
 */
export async function complete(
  words: readonly string[],
  commands: readonly Command[],
  namesOf: (kind: Names, settings: Settings) => Promise<readonly string[]> | readonly string[],
): Promise<string[]> {
  const current = words.at(-1) ?? "";
  const typed = readTyped(words.slice(0, -1), commands);
  const [prefix = "", name = ""] = /^(--[^=]*)=/.exec(current) ?? [];
  const flag = prefix === "" ? typed.open : typed.flags.get(name);
  const offer = prefix === "" && flag === undefined ? nextOffer(typed, current, commands) : valuesOf(flag);
  if (offer === FILES) return [FILES];
  const all = typeof offer === "string" ? await namesOf(offer, typed.settings) : offer;
  return all.map((word) => prefix + word).filter((line) => line.startsWith(current));
}

type Offer = Names | typeof FILES | readonly string[];

/** What may follow the words, unless it is the value of a flag. */
function nextOffer({ command, rest, flags }: Typed, current: string, commands: readonly Command[]): Offer {
  if (current.startsWith("-")) {
    const long = [...flags].filter(([spelling, { name }]) => spelling === `--${name}`);
    return long.map(([spelling, { help }]) => `${spelling}\t${help}`);
  }
  if (command === null) return nextWords(rest, commands);
  if (command.name === "help") {
    return [...nextWords(rest, commands), ...rest.length === 0 ? TOPICS.keys() : []];
  }
  const spec = command.positionals[rest.length] ?? command.positionals.findLast((p) => p.many);
  if (spec?.choices !== undefined) return spec.choices;
  if (spec?.name === "MODEL") return "models";
  return /PATH|DEST|DIR/.test(spec?.name ?? "") ? FILES : [];
}

function valuesOf(flag: KnownFlag | undefined): Offer {
  if (!takesValue(flag)) return [];
  const { choices, setting } = flag;
  if (choices !== undefined) return choices;
  if (setting === "profileId") return "profiles";
  if (setting === "modelId" || setting === "aimId") return "models";
  return setting !== null && SETTINGS[setting].type.kind === "path" ? FILES : [];
}

type Typed = ReturnType<typeof readTyped>;

/** What the complete words say. */
function readTyped(words: readonly string[], commands: readonly Command[]) {
  const settings: Settings = {};
  /** The command's positionals; without a command, the words so far. */
  let rest: string[] = [];
  let command: Command | null = null;
  /** By spelling. Before a command, those of all settings. */
  let flags = knownTo(null);
  /** The flag whose value comes next. */
  let open: KnownFlag | undefined;
  for (const word of words) {
    const [spelling = "", inline] = word.split(/=(.*)/s, 2);
    const flag = open ?? flags.get(spelling);
    const value = open === undefined ? inline : word;
    open = undefined;
    if (takesValue(flag)) {
      if (value === undefined) open = flag;
      else if (flag.setting !== null && value !== "") settings[flag.setting] = value;
    } else if (!word.startsWith("-")) {
      rest.push(word);
      if (command !== null) continue;
      command = commands.find(({ name }) => name === rest.join(" ")) ?? null;
      if (command !== null) [rest, flags] = [[], knownTo(command)];
    }
  }
  return { command, rest, flags, settings, open };
}

function knownTo(command: Command | null): Map<string, KnownFlag> {
  const before = flagsOf({ ...QUIET_FLAG, "--version": "show version, commit and form" });
  const { settings, flags } = command ?? { settings: SETTING_NAMES, flags: before };
  return knownFlags({ settings, flags: [...flags, ...flagsOf({ "--help": "show help" })] });
}

function takesValue(flag: KnownFlag | undefined): flag is KnownFlag {
  return flag !== undefined && flag.type !== "boolean";
}

/** First words of commands, or after the first word of a two-word command its second words. */
function nextWords(rest: readonly string[], commands: readonly Command[]): string[] {
  const before = rest.map((word) => `${word} `).join("");
  const names = commands.filter(({ name }) => name.startsWith(before));
  return [...new Set(names.map(({ name }) => name.slice(before.length).split(" ")[0] ?? ""))];
}
