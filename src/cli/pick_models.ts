import { type ListedFolder, listModels, type ModelFolder } from "../cache/list_models.ts";
import { cachePaths } from "../cache/cache_paths.ts";
import type { CachePaths } from "../cache/types.ts";
import type { Config } from "../config/config.ts";
import { nearest } from "../config/nearest.ts";
import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { localNameOf } from "../sources/local_name.ts";
import { parseModelRef } from "../sources/model_ref.ts";
import type { CommandContext } from "./command.ts";
import { flag } from "./command.ts";

export const LAYOUT_FLAG = flag("--layout LAYOUT", "only local directories, or only the Hugging Face cache", {
  choices: ["local", "hub"],
});

/**
 * The paths of the caches.
 *
 * @throws {AimError} `not-found` for a configured path that does not exist, which is not an empty cache;
 *   `usage` for a file.
 */
export async function existingCaches(config: Config): Promise<CachePaths> {
  const paths = cachePaths(config);
  // One after the other, so that an error names the root first.
  const found = [await isFolder(paths.root), await isFolder(paths.hub)];
  const named = config.origins.cachePath === "flag" ? "--cache-path" : "AIM_CACHE_PATH";
  if (!found[0] && (config.origins.cachePath !== "default" || !found[1])) {
    throw new AimError("not-found", `there is no cache: ${paths.root} does not exist`, {
      hint: `check ${named} and that its volume is mounted (the hub cache is ${paths.hub})`,
    });
  }
  return paths;
}

/** @throws {AimError} `usage` for a file. */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await Deno.stat(path)).isDirectory) return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw errorFrom(error, `reading ${path}`);
  }
  throw new AimError("usage", `${path} is a file, not a cache`, {
    hint: "name a directory with AIM_CACHE_PATH",
  });
}

/**
 * The folders of the named models, else all, in the layout of `--layout`.
 *
 * @throws {AimError} `not-found`, naming the first that is not in the cache and the nearest name in the
 *   cache.
 */
export async function pickModels(
  context: Pick<CommandContext, "config" | "flags" | "args">,
): Promise<ListedFolder[]> {
  const wanted = context.args.map((arg) => localNameOf(parseModelRef(arg)));
  const paths = await existingCaches(context.config);
  const all = (await listModels(paths)).filter((one) =>
    context.flags.layout === undefined || one.layout === context.flags.layout
  );
  for (const name of wanted) {
    if (all.some((one) => one.name === name)) continue;
    const near = nearest(name, all.map((one) => one.name));
    throw new AimError("not-found", `${name} is not in the cache (${paths.root}, ${paths.hub})`, {
      hint: near === null ? "see aim cache list" : `did you mean ${near}?`,
    });
  }
  return all.filter((one) => wanted.length === 0 || wanted.includes(one.name));
}

/** `org/model (Hugging Face cache)`. */
export function folderInWords({ name, layout }: Pick<ModelFolder, "name" | "layout">): string {
  return `${name} ${layout === "local" ? "(local directory)" : "(Hugging Face cache)"}`;
}
