import {
  formatOf,
  indexFormatOf,
  isAnyWeight,
  isShardZero,
  setOf,
  siblingsOf,
} from "../cache/judge/weight_files.ts";

/** Folders that publishers put the same weights into once more, in their own format. */
const COPIES = /^(?:original|metal)\//;

/**
 * Says which files of a model an engine loads: where there is a whole set of safetensors, no copies of the weights in other formats, no
 * pickles. Any other model is left as it is.
 *
 * @param paths All of the model's.
 */
export function servingFiles(paths: readonly string[]): (path: string) => boolean {
  const shards = paths.filter((path) => !path.includes("/") && formatOf(path) === "safetensors");
  return isWhole(shards, paths) ? (path) => !isCopy(path) : () => true;
}

function isWhole(shards: readonly string[], paths: readonly string[]): boolean {
  if (shards.length === 0) return false;
  // An index is the authority over names, and comes with its shards.
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
