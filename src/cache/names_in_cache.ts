import { nearest } from "../config/nearest.ts";
import { hubFolders, localFolders } from "./list_models.ts";
import type { CachePaths } from "./types.ts";

/** A cached model whose name differs only in upper and lower case: for the hub the two are one model. */
export async function sameButForCase(paths: CachePaths, name: string): Promise<string | null> {
  const lower = name.toLowerCase();
  return (await namesInCache(paths)).find((one) => one !== name && one.toLowerCase() === lower) ?? null;
}

/** The cached model that a mistyped name probably means. */
export async function nearestInCache(paths: CachePaths, name: string): Promise<string | null> {
  return nearest(name, (await namesInCache(paths)).filter((one) => one !== name));
}

/** The names of all models in the caches, complete or not, sorted. */
export async function namesInCache(paths: CachePaths): Promise<string[]> {
  const folders = await Promise.all([localFolders(paths), hubFolders(paths)]);
  return [...new Set(folders.flat().map((one) => one.name))].sort();
}
