import type { Config } from "../config/config.ts";

/** Directories of a cache that are no organisation. */
const NO_ORGANISATION = new Set(["hub", "lost+found", "xet", "assets", "datasets"]);

/** Names of the models whose directories are in either layout, sorted; whether they are whole is not looked at. */
export async function cachedModelNames(config: Pick<Config, "cachePath" | "hfHubCache">): Promise<string[]> {
  const names = new Set<string>();
  for (const organisation of await directories(config.cachePath)) {
    if (organisation.startsWith(".") || NO_ORGANISATION.has(organisation)) continue;
    for (const model of await directories(`${config.cachePath}/${organisation}`)) {
      if (!model.startsWith(".")) names.add(`${organisation}/${model}`);
    }
  }
  for (const directory of await directories(config.hfHubCache)) {
    const name = /^models--(.+)$/.exec(directory)?.[1];
    if (name !== undefined) names.add(name.replace("--", "/"));
  }
  return [...names].sort();
}

async function directories(path: string): Promise<string[]> {
  try {
    const found: string[] = [];
    for await (const entry of Deno.readDir(path)) if (!entry.isFile) found.push(entry.name);
    return found;
  } catch {
    // No such cache: no such models.
    return [];
  }
}
