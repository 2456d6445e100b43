import type { ModelRef } from "../sources/model_ref.ts";
import type { CachePaths } from "./types.ts";

/** The folder of a model in the Hugging Face cache: `models--org--model`. */
export function hubFolder({ hfHubCache }: CachePaths, name: string): string {
  return `${hfHubCache}/models--${name.replaceAll("/", "--")}`;
}

/**
 * Where serving downloads a missing model: hub models into the Hugging Face cache, others into a local
 * directory.
 */
export function downloadFolder(
  paths: CachePaths,
  { ref, name }: { readonly ref: ModelRef; readonly name: string },
): string {
  return ref.kind === "hub" ? hubFolder(paths, name) : `${paths.cachePath}/${name}`;
}

/** The variables that make Hugging Face libraries use this cache. */
export function hubEnvironment({ hfHubCache, hfHome }: CachePaths): Readonly<Record<string, string>> {
  return { HF_HOME: hfHome, ...(hfHubCache === `${hfHome}/hub` ? {} : { HF_HUB_CACHE: hfHubCache }) };
}

/** Links inside the caches may point only into these folders. */
export function cacheRoots({ cachePath, hfHubCache, hfHome }: CachePaths): readonly string[] {
  return [...new Set([cachePath, hfHubCache, hfHome])];
}
