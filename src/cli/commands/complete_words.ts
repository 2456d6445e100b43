import { namesInCache } from "../../cache/list_models.ts";
import { resolveConfig } from "../../config/resolve_config.ts";
import { SETTING_NAMES, type SettingName, SETTINGS } from "../../config/settings.ts";
import { loadProfiles } from "../../profiles/load_profiles.ts";
import { type Command, command, type CommandContext, flagsOf, QUIET_FLAG } from "../command.ts";
import { TOPIC_NAMES } from "../help_topics.ts";
import { type KnownFlag, knownFlags } from "../parse_flags.ts";

/** `aim __complete -- WORDS…`: possible completions of the last word, for the completion scripts. */
export const completeWords = command({
  usage: "__complete [WORD...]",
  summary: "list possible next words; for completion scripts",
  async run({ args, env, commands, print }) {
    const offer = complete(args, await commands());
    const lines = linesOf(offer, await namesOf(offer, env));
    for (const line of lines) print(`${line}\n`);
  },
});

/** What may follow the words. */
export interface Offer {
  /** What is typed of the last word. */
  readonly current: string;
  /** Each word, and perhaps its help after a tab. */
  readonly words: readonly string[];
  /** More words than these: models in the cache, ids of profiles, or paths. */
  readonly names: "models" | "profiles" | "files" | null;
  /** Before each word: `--flag=`. */
  readonly prefix: string;
  /** Texts of settings that the words so far give. */
  readonly settings: Partial<Record<SettingName, string>>;
}

/** One line for each word that continues the current one; `:files` if paths are possible too. */
export function linesOf({ current, words, names, prefix }: Offer, more: readonly string[]): string[] {
  const lines = [...words, ...more].map((word) => prefix + word).filter((line) => line.startsWith(current));
  return names === "files" ? [...lines, ":files"] : lines;
}

async function namesOf({ names, settings }: Offer, env: CommandContext["env"]): Promise<readonly string[]> {
  try {
    const config = resolveConfig({ flags: settings, env, cwd: Deno.cwd() });
    if (names === "models") return await namesInCache(config);
    if (names !== "profiles") return [];
    const { profiles } = await loadProfiles(config, config.aimId ?? config.modelId);
    return profiles.map((profile) => profile.id).sort();
  } catch {
    // While a shell completes, errors must not be printed.
    return [];
  }
}

/** @param words The words after `aim`; the last one may be incomplete or empty. */
export function complete(words: readonly string[], commands: readonly Command[]): Offer {
  const current = words.at(-1) ?? "";
  const { command, rest, flags, settings, open } = readTyped(words.slice(0, -1), commands);
  const offer = (words: readonly string[], names: Offer["names"] = null, prefix = "") => ({
    current,
    words,
    names,
    prefix,
    settings,
  });
  const values = (flag: KnownFlag | undefined, prefix = "") => {
    if (!takesValue(flag)) return offer([]);
    const { choices, setting } = flag;
    if (choices !== undefined) return offer(choices, null, prefix);
    if (setting === "profileId") return offer([], "profiles", prefix);
    if (setting === "modelId" || setting === "aimId") return offer([], "models", prefix);
    const isPath = setting !== null && SETTINGS[setting].type.kind === "path";
    return offer([], isPath ? "files" : null, prefix);
  };
  const [, name = "", equals] = /^(--[^=]*)(=)?/.exec(current) ?? [];
  if (equals !== undefined) return values(flags.get(name), `${name}=`);
  if (open !== undefined) return values(open);
  if (current.startsWith("-")) {
    const long = [...flags].filter(([spelling, { name }]) => spelling === `--${name}`);
    return offer(long.map(([spelling, { help }]) => `${spelling}\t${help}`));
  }
  if (command === null) return offer(nextWords(rest, commands));
  if (command.name === "help") {
    return offer([...nextWords(rest, commands), ...rest.length === 0 ? TOPIC_NAMES : []]);
  }
  const spec = command.positionals[rest.length] ?? command.positionals.findLast((p) => p.many);
  if (spec?.choices !== undefined) return offer(spec.choices);
  if (spec?.name === "MODEL") return offer([], "models");
  return offer([], /PATH|DEST|DIR/.test(spec?.name ?? "") ? "files" : null);
}

/** What the complete words say. */
interface Typed {
  readonly command: Command | null;
  /** The command's positionals; without a command, the words so far. */
  readonly rest: readonly string[];
  /** By spelling. Before a command, those of all settings. */
  readonly flags: ReadonlyMap<string, KnownFlag>;
  readonly settings: Offer["settings"];
  /** The flag whose value comes next. */
  readonly open: KnownFlag | undefined;
}

function readTyped(words: readonly string[], commands: readonly Command[]): Typed {
  const settings: Offer["settings"] = {};
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
    {
      settings: SETTING_NAMES,
      flags: flagsOf({ ...QUIET_FLAG, "--version": "show version, commit and form" }),
    };
  return knownFlags({ settings, flags: [...flags, ...flagsOf(help)] });
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
