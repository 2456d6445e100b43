import { cachePaths } from "../../cache/cache_paths.ts";
import { namesInCache } from "../../cache/list_models.ts";
import { resolveConfig } from "../../config/resolve_config.ts";
import { SETTING_NAMES, type SettingName, SETTINGS } from "../../config/settings.ts";
import { loadProfiles } from "../../profiles/load_profiles.ts";
import type { CommandContext } from "../command.ts";
import { complete } from "../complete.ts";
import { command } from "../define.ts";
import { TOPIC_NAMES } from "../help_topics.ts";

/** `aim __complete -- WORDS…`: possible completions of the last word, for the completion scripts. */
export const completeWords = command({
  usage: "__complete [WORD...]",
  summary: "list possible next words; for completion scripts",
  async run({ args, env, commands, print }) {
    const lines = await complete(args, {
      commands,
      topics: TOPIC_NAMES,
      profileIds: () =>
        quietly(async () => {
          const { profilePath, embeddedProfiles, aimId, modelId } = configOfWords(args, env);
          const model = aimId ?? modelId;
          const { profiles } = await loadProfiles({ profilePath, embeddedProfiles }, model);
          return profiles.map((profile) => profile.id).sort();
        }),
      cachedModels: () => quietly(() => namesInCache(cachePaths(configOfWords(args, env)))),
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

/** The configuration with the flags typed so far. */
function configOfWords(args: readonly string[], env: CommandContext["env"]) {
  const typed = args.slice(0, -1).flatMap((word) => word.startsWith("--") ? word.split(/=(.*)/s, 2) : [word]);
  const flags: Partial<Record<SettingName, string>> = {};
  for (const name of SETTING_NAMES) {
    const at = typed.indexOf(`--${SETTINGS[name].flag}`);
    const value = at === -1 ? undefined : typed[at + 1];
    if (value) flags[name] = value;
  }
  return resolveConfig({ flags, env, cwd: Deno.cwd() });
}
