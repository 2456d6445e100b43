import { type ListedFolder, listModels, type ModelFolder } from "../cache/list_models.ts";
import type { Config } from "../config/config.ts";
import { nearest } from "../config/nearest.ts";
import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { localNameOf } from "../sources/local_name.ts";
import { parseModelRef } from "../sources/model_ref.ts";
import type { CommandContext, Flags } from "./command.ts";

export const LAYOUT_FLAG: Flags = {
  "--layout any|local|hub": "only local directories (local), or only the Hugging Face cache (hub)",
};

/**
 * Checks that the caches exist.
 *
 * @throws {AimError} `not-found` if a configured path does not exist, which does not count as an empty cache;
 *   `usage` if it is a file.
 */
export async function requireCaches({ cachePath, hfHubCache, origins }: Config): Promise<void> {
  // In this order, so that an error names AIM_CACHE_PATH first.
  const found = [await isFolder(cachePath), await isFolder(hfHubCache)];
  const named = origins.cachePath === "flag" ? "--cache-path" : "AIM_CACHE_PATH";
  if (found[0] || origins.cachePath === "default" && found[1]) return;
  const hint = `check ${named} and that its volume is mounted (the hub cache is at ${hfHubCache})`;
  throw new AimError("not-found", `the cache directory ${cachePath} does not exist`, { hint });
}

/** @throws {AimError} `usage` if it is a file. */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await Deno.stat(path)).isDirectory) return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw errorFrom(error, `reading ${path}`);
  }
  const hint = "set AIM_CACHE_PATH to a directory";
  throw new AimError("usage", `${path} is a file, not a cache directory`, { hint });
}

/**
 * The folders of the named models, or of all models if none is named, in the layout of `--layout`.
 *
 * @throws {AimError} `not-found`, with the first name that is not in the cache and the nearest that is.
 */
export async function pickModels(
  { config, flags, args }: Pick<CommandContext, "config" | "flags" | "args">,
): Promise<ListedFolder[]> {
  const wanted = args.map((arg) => localNameOf(parseModelRef(arg)));
  await requireCaches(config);
  const { layout } = flags;
  const all = (await listModels(config)).filter((one) => layout === "any" || one.layout === layout);
  for (const name of wanted) {
    if (all.some((one) => one.name === name)) continue;
    const near = nearest(name, all.map((one) => one.name));
    const hint = near === null ? "see aim cache list" : `did you mean ${near}?`;
    const message = `${name} is not in the cache (${config.cachePath}, ${config.hfHubCache})`;
    throw new AimError("not-found", message, { hint });
  }
  return all.filter((one) => wanted.length === 0 || wanted.includes(one.name));
}

/** Where a model is looked for, in words. */
export const PLACES = { local: "local directory", hub: "Hugging Face cache", path: "path" } as const;

/** `org/model (Hugging Face cache)`. */
export function folderInWords({ name, layout }: Pick<ModelFolder, "name" | "layout">): string {
  return `${name} (${PLACES[layout]})`;
}
