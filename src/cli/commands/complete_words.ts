import { cachePaths } from "../../cache/cache_paths.ts";
import { namesInCache } from "../../cache/names_in_cache.ts";
import { resolveConfig } from "../../config/resolve_config.ts";
import { type SettingName, SETTINGS } from "../../config/settings.ts";
import { loadProfiles } from "../../profiles/load_profiles.ts";
import { complete } from "../complete.ts";
import type { CommandContext } from "../command.ts";
import { command } from "../define.ts";
import { TOPIC_NAMES } from "../help_topics.ts";

/** `aim __complete -- WORDS…`: possible completions of the last word, for the completion scripts. */
export const completeWords = command({
  usage: "__complete [WORD...]",
  summary: "list possible next words; for completion scripts",
  async run(context) {
    const { candidates, paths } = await complete(context.args, {
      commandNames: context.commands.names(),
      loadCommand: (name) => context.commands.load(name),
      topics: TOPIC_NAMES,
      profileIds: () => quietly(() => profileIds(context)),
      cachedModels: () => quietly(() => cachedModels(context)),
    });
    for (const { word, help } of candidates) context.print(help === "" ? `${word}\n` : `${word}\t${help}\n`);
    if (paths === "files") context.print(":files\n");
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

async function profileIds(context: CommandContext): Promise<readonly string[]> {
  const config = configOfWords(context);
  const { profiles } = await loadProfiles({
    profilePath: config.profilePath,
    embedded: config.embeddedProfiles,
    model: config.aimId ?? config.modelId,
  });
  return profiles.map((p) => p.id).sort();
}

async function cachedModels(context: CommandContext): Promise<readonly string[]> {
  return await namesInCache(cachePaths(configOfWords(context)));
}

/** The configuration with the flags typed so far. */
function configOfWords({ args, env }: CommandContext) {
  const flags: Partial<Record<SettingName, string>> = {};
  const typed = args.slice(0, -1);
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const flag = `--${SETTINGS[name].flag}`;
    const at = typed.indexOf(flag);
    const value = at === -1
      ? typed.find((w) => w.startsWith(`${flag}=`))?.slice(flag.length + 1)
      : typed[at + 1];
    if (SETTINGS[name].flag !== null && value !== undefined && value !== "") flags[name] = value;
  }
  return resolveConfig({ flags, env, cwd: Deno.cwd() });
}
