import type { ModelRef } from "../sources/model_ref.ts";
import type { CachePaths } from "./types.ts";

/** The settings of the caches' paths; `null` if unset. */
export interface CacheSettings {
  readonly cachePath: string;
  readonly hfHome: string | null;
  readonly hfHubCache: string | null;
}

/** `HF_HUB_CACHE` overrides `HF_HOME/hub`; an unset `HF_HOME` is `AIM_CACHE_PATH`. */
export function cachePaths(settings: CacheSettings): CachePaths {
  const root = withoutSlash(settings.cachePath);
  const hfHome = withoutSlash(settings.hfHome ?? root);
  return { root, hfHome, hub: withoutSlash(settings.hfHubCache ?? `${hfHome}/hub`) };
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

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}
