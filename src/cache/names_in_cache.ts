import { nearest } from "../config/nearest.ts";
import { hubFolders, localFolders } from "./list_models.ts";
import type { CachePaths } from "./types.ts";

/** A model in the caches whose name differs from this one in upper and lower case alone: the hub takes both for one. */
export async function sameButForCase(paths: CachePaths, name: string): Promise<string | null> {
  const lower = name.toLowerCase();
  return (await namesInCache(paths)).find((one) => one !== name && one.toLowerCase() === lower) ?? null;
}

/** The model in the caches that a name was probably meant to be. */
export async function nearestInCache(paths: CachePaths, name: string): Promise<string | null> {
  return nearest(name, (await namesInCache(paths)).filter((one) => one !== name));
}

async function namesInCache(paths: CachePaths): Promise<string[]> {
  const folders = await Promise.all([localFolders(paths), hubFolders(paths)]);
  return folders.flat().map((one) => one.name);
}
