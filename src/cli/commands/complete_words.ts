import { namesInCache } from "../../cache/list_models.ts";
import { resolveConfig } from "../../config/resolve_config.ts";
import { SETTING_NAMES, type SettingName, SETTINGS } from "../../config/settings.ts";
import { loadProfiles } from "../../profiles/load_profiles.ts";
import { type Command, command, type CommandContext, flagsOf } from "../command.ts";
import { TOPICS } from "../help_topics.ts";
import { type KnownFlag, knownFlags } from "../parse_flags.ts";

/** `aim __complete -- WORDS…`: lists completions of the last word, for the completion scripts. */
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
    // Errors must not disturb the shell's prompt.
    return [];
  }
}

/** Tells the scripts to offer paths. */
const FILES = ":files";
type Offer = Names | typeof FILES | readonly string[];

const EVERYWHERE = flagsOf({ "--help": "show help", "--version": "show version, commit and form" });

/**
 * One line per possible word, some with their help after a tab; `:files` if paths are possible.
 *
 * @param words The words after `aim`; the last one may be incomplete or empty.
 * @param namesOf Lists cached models or profile ids under the settings that `words` contain.
 */
export async function complete(
  words: readonly string[],
  commands: readonly Command[],
  namesOf: (kind: Names, settings: Settings) => Promise<readonly string[]> | readonly string[],
): Promise<string[]> {
  const current = words.at(-1) ?? "";
  const { command, rest, flags, settings, open } = readTyped(words.slice(0, -1), commands);
  const [prefix = "", name = ""] = /^(--[^=]*)=/.exec(current) ?? [];
  const flag = prefix === "" ? open : flags.get(name);
  let offer: Offer;
  if (prefix !== "" || flag !== undefined) offer = valuesOf(flag);
  else if (current.startsWith("-")) {
    const long = [...flags].filter(([spelling, { name }]) => spelling === `--${name}`);
    offer = long.map(([spelling, { help }]) => `${spelling}\t${help}`);
  } else offer = command === undefined ? nextWords(rest, commands) : argumentsOf(command, rest, commands);
  if (offer === FILES) return [FILES];
  const all = typeof offer === "string" ? await namesOf(offer, settings) : offer;
  return all.map((word) => prefix + word).filter((line) => line.startsWith(current));
}

/** What can follow a command and its positionals so far. */
function argumentsOf({ name, positionals }: Command, rest: string[], commands: readonly Command[]): Offer {
  if (name === "help") return [...nextWords(rest, commands), ...rest.length === 0 ? TOPICS.keys() : []];
  const spec = positionals[rest.length] ?? positionals.findLast((one) => one.many);
  if (spec?.choices !== undefined) return spec.choices;
  if (spec?.name === "MODEL") return "models";
  return /PATH|DEST|DIR/.test(spec?.name ?? "") ? FILES : [];
}

function valuesOf(flag: KnownFlag | undefined): Offer {
  if (flag === undefined || flag.type === "boolean") return [];
  const { choices, setting } = flag;
  if (choices !== undefined) return choices;
  if (setting === "profileId") return "profiles";
  if (setting === "modelId" || setting === "aimId") return "models";
  return setting !== null && SETTINGS[setting].type.kind === "path" ? FILES : [];
}

/**
 * Reads the complete words: the command (flags may precede it), its flags, positionals and settings. `rest`:
 * the positionals, or all words if none names a command. `open`: the flag whose value comes next.
 */
function readTyped(words: readonly string[], commands: readonly Command[]) {
  const settings: Settings = {};
  let rest: string[] = [];
  let command: Command | undefined;
  // Before a command, offers all settings, and the flags of serve, the default command.
  const serve = commands.find(({ name }) => name === "serve");
  let flags = knownFlags({ settings: [...SETTING_NAMES], flags: [...serve?.flags ?? [], ...EVERYWHERE] });
  let open: KnownFlag | undefined;
  for (const word of words) {
    const [spelling = "", inline] = word.split(/=(.*)/s, 2);
    const flag = open ?? flags.get(spelling);
    const value = open === undefined ? inline : word;
    open = undefined;
    if (flag !== undefined && flag.type !== "boolean") {
      if (value === undefined) open = flag;
      else if (flag.setting !== null && value !== "") settings[flag.setting] = value;
    } else if (!word.startsWith("-")) {
      rest.push(word);
      const found = command === undefined && commands.find(({ name }) => name === rest.join(" "));
      if (!found) continue;
      [command, rest] = [found, []];
      flags = knownFlags({ ...found, flags: [...found.flags, ...EVERYWHERE] });
    }
  }
  return { command, rest, flags, settings, open };
}

/** First words of commands; after the first word of a two-word command, its second words. */
function nextWords(rest: readonly string[], commands: readonly Command[]): string[] {
  const before = rest.map((word) => `${word} `).join("");
  const names = commands.filter(({ name }) => name.startsWith(before));
  return [...new Set(names.map(({ name }) => name.slice(before.length).split(" ")[0] ?? ""))];
}
