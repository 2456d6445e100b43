import { namesInCache } from "../../cache/list_models.ts";
import { resolveConfig } from "../../config/resolve_config.ts";
import { SETTING_NAMES, type SettingName, SETTINGS } from "../../config/settings.ts";
import { loadProfiles } from "../../profiles/load_profiles.ts";
import { type Command, command, flagsOf } from "../command.ts";
import { TOPIC_NAMES } from "../help_topics.ts";
import { type KnownFlag, knownFlags } from "../parse_flags.ts";

/** `aim __complete -- WORDS…`: possible completions of the last word, for the completion scripts. */
export const completeWords = command({
  usage: "__complete [WORD...]",
  summary: "list possible next words; for completion scripts",
  async run({ args, env, commands, print }) {
    const configOf = (flags: Settings) => resolveConfig({ flags, env, cwd: Deno.cwd() });
    const lines = await complete(args, {
      commands: await commands(),
      profileIds: (flags) =>
        quietly(async () => {
          const config = configOf(flags);
          const { profiles } = await loadProfiles(config, config.aimId ?? config.modelId);
          return profiles.map((profile) => profile.id).sort();
        }),
      cachedModels: (flags) => quietly(() => namesInCache(configOf(flags))),
    });
    for (const line of lines) print(`${line}\n`);
  },
});

/** While a shell completes, errors must not be printed. */
async function quietly(list: () => Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await list();
  } catch {
    return [];
  }
}

type Settings = Partial<Record<SettingName, string>>;

/** Where completion finds names; the settings are those that were typed so far. */
interface CompletionSources {
  readonly commands: readonly Command[];
  profileIds(settings: Settings): Promise<readonly string[]>;
  cachedModels(settings: Settings): Promise<readonly string[]>;
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
  const lines = await following(readTyped(words.slice(0, -1), sources.commands), current, sources);
  return lines.filter((line) => line === FILES || line.startsWith(current));
}

/** What the complete words say. */
interface Typed {
  readonly command: Command | null;
  /** The command's positionals; without a command, the words so far. */
  readonly rest: readonly string[];
  /** By spelling. Before a command, those of all settings. */
  readonly flags: ReadonlyMap<string, KnownFlag>;
  readonly settings: Settings;
  /** The flag whose value comes next. */
  readonly open: KnownFlag | undefined;
}

function readTyped(words: readonly string[], commands: readonly Command[]): Typed {
  const settings: Settings = {};
  let rest: string[] = [];
  let command: Command | null = null;
  let flags = knownTo(null);
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
  const help = { "--help": "show help" };
  const { settings, flags } = command ??
    { settings: SETTING_NAMES, flags: flagsOf({ "--version": "show version, commit and form" }) };
  return knownFlags({ settings, flags: [...flags, ...flagsOf(help)] });
}

function takesValue(flag: KnownFlag | undefined): flag is KnownFlag {
  return flag !== undefined && flag.type !== "boolean";
}

async function following(
  typed: Typed,
  current: string,
  sources: CompletionSources,
): Promise<readonly string[]> {
  const { command, rest, flags, settings, open } = typed;
  const [, name = "", equals] = /^(--[^=]*)(=)?/.exec(current) ?? [];
  if (equals !== undefined) {
    const values = await valuesOf(flags.get(name), settings, sources);
    return values.map((value) => value === FILES ? value : `${name}=${value}`);
  }
  if (open !== undefined) return await valuesOf(open, settings, sources);
  if (current.startsWith("-")) {
    const long = [...flags].filter(([spelling, { name }]) => spelling === `--${name}`);
    return long.map(([spelling, { help }]) => `${spelling}\t${help}`);
  }
  if (command === null) return nextWords(rest, sources.commands);
  if (command.name === "help") {
    return [...nextWords(rest, sources.commands), ...rest.length === 0 ? TOPIC_NAMES : []];
  }
  const spec = command.positionals[rest.length] ?? command.positionals.findLast((p) => p.many);
  if (spec?.choices !== undefined) return spec.choices;
  if (spec?.name === "MODEL") return await sources.cachedModels(settings);
  return /PATH|DEST|DIR/.test(spec?.name ?? "") ? [FILES] : [];
}

async function valuesOf(
  flag: KnownFlag | undefined,
  settings: Settings,
  sources: CompletionSources,
): Promise<readonly string[]> {
  if (!takesValue(flag)) return [];
  const { choices, setting } = flag;
  if (choices !== undefined) return choices;
  if (setting === "profileId") return await sources.profileIds(settings);
  if (setting === "modelId" || setting === "aimId") return await sources.cachedModels(settings);
  return setting !== null && SETTINGS[setting].type.kind === "path" ? [FILES] : [];
}

/** First words of commands, or after the first word of a two-word command its second words. */
function nextWords(rest: readonly string[], commands: readonly Command[]): string[] {
  const before = rest.map((word) => `${word} `).join("");
  const names = commands.filter(({ name }) => name.startsWith(before));
  return [...new Set(names.map(({ name }) => name.slice(before.length).split(" ")[0] ?? ""))];
}
