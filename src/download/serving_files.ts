import {
  formatOf,
  indexFormatOf,
  isAnyWeight,
  isShardZero,
  setOf,
  siblingsOf,
} from "../cache/judge/weight_files.ts";

/** Folders with the same weights in the publisher's own format. */
const COPIES = /^(?:original|metal)\//;

/**
 * Returns a filter for the files that an engine loads: next to a complete set of safetensors, no copies of the weights in
 * other formats, and no pickles. For any other model, all files.
 *
 * @param paths All files of the model.
 */
export function servingFiles(paths: readonly string[]): (path: string) => boolean {
  const shards = paths.filter((path) => !path.includes("/") && formatOf(path) === "safetensors");
  return isWhole(shards, paths) ? (path) => !isCopy(path) : () => true;
}

function isWhole(shards: readonly string[], paths: readonly string[]): boolean {
  if (shards.length === 0) return false;
  // The shards of an index exist.
  if (paths.some((path) => !path.includes("/") && indexFormatOf(path) === "safetensors")) return true;
  const there = new Set(shards);
  return Map.groupBy(shards, setOf).values().every((set) =>
    siblingsOf(set[0] ?? "", set.some(isShardZero)).every((name) => there.has(name))
  );
}

function isCopy(path: string): boolean {
  if (COPIES.test(path)) return true;
  if (path.includes("/")) return false;
  const format = formatOf(path) ?? indexFormatOf(path);
  if (format !== null) return format !== "safetensors";
  return isAnyWeight(path) && !path.endsWith(".safetensors");
}
