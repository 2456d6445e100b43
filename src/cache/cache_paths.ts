import type { Config } from "../config/config.ts";
import type { ModelRef } from "../sources/model_ref.ts";
import type { CachePaths } from "./types.ts";

/** The caches' paths in the settings, which are absolute and without a final slash. */
export function cachePaths(
  { cachePath, hfHome, hfHubCache }: Pick<Config, "cachePath" | "hfHome" | "hfHubCache">,
): CachePaths {
  return { root: cachePath, hfHome, hub: hfHubCache };
}

/** The folder of a model in the Hugging Face cache: `models--org--model`. */
export function hubFolder(paths: Pick<CachePaths, "hub">, name: string): string {
  return `${paths.hub}/models--${name.replaceAll("/", "--")}`;
}

/** Where serving downloads a missing model to: a hub model into the Hugging Face cache, others into a local directory. */
export function downloadFolder(
  paths: CachePaths,
  { ref, name }: { readonly ref: ModelRef; readonly name: string },
): string {
  return ref.kind === "hub" ? hubFolder(paths, name) : `${paths.root}/${name}`;
}

/** What makes Hugging Face libraries find this cache. */
export function hubEnvironment({ hub, hfHome }: CachePaths): Readonly<Record<string, string>> {
  return { HF_HOME: hfHome, ...(hub === `${hfHome}/hub` ? {} : { HF_HUB_CACHE: hub }) };
}

/** Links inside the caches may point only into these folders. */
export function cacheRoots({ root, hub, hfHome }: CachePaths): readonly string[] {
  return [...new Set([root, hub, hfHome])];
}
