import type { CachePaths } from "./types.ts";

/** The settings that say where caches lie; `null` where unset. */
export interface CacheSettings {
  readonly cachePath: string;
  readonly hfHome: string | null;
  readonly hfHubCache: string | null;
}

/** Where the caches lie: `HF_HUB_CACHE` wins over `HF_HOME/hub`, and `HF_HOME` is `AIM_CACHE_PATH` where unset. */
export function cachePaths(settings: CacheSettings): CachePaths {
  const root = withoutSlash(settings.cachePath);
  const hfHome = withoutSlash(settings.hfHome ?? root);
  return { root, hfHome, hub: withoutSlash(settings.hfHubCache ?? `${hfHome}/hub`) };
}

/** The folder of a model in the Hugging Face cache: `models--org--model`. */
export function hubFolder(paths: Pick<CachePaths, "hub">, name: string): string {
  return `${paths.hub}/models--${name.replaceAll("/", "--")}`;
}

/** What makes Hugging Face libraries find this cache. */
export function hubEnvironment({ hub, hfHome }: CachePaths): Readonly<Record<string, string>> {
  return { HF_HOME: hfHome, ...(hub === `${hfHome}/hub` ? {} : { HF_HUB_CACHE: hub }) };
}

/** Folders that links inside the caches may lead to: the caches themselves. */
export function cacheRoots({ root, hub, hfHome }: CachePaths): readonly string[] {
  return [...new Set([root, hub, hfHome])];
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}
