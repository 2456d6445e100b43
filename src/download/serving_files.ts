import { log } from "../log/logger.ts";
import { type Manifest, totalBytes } from "../sources/manifest.ts";
import { formatOf, indexFormatOf, isAnyWeight, missingShards } from "../cache/judge/weight_files.ts";

/** Folders with copies of the weights in the publisher's own format. */
const COPIES = /^(?:original|metal)\//;

/**
 * Returns a filter for the files that an engine loads. With a complete set of safetensors, that excludes
 * copies of the weights in other formats, and pickles; otherwise, it is all files.
 *
 * @param paths All files of the model.
 */
export function servingFiles(paths: readonly string[]): (path: string) => boolean {
  const shards = paths.filter((path) => !path.includes("/") && formatOf(path) === "safetensors");
  return isWhole(shards, paths) ? (path) => !isCopy(path) : () => true;
}

function isWhole(shards: readonly string[], paths: readonly string[]): boolean {
  if (shards.length === 0) return false;
  // If there is an index, its shards exist.
  if (paths.some((path) => !path.includes("/") && indexFormatOf(path) === "safetensors")) return true;
  return missingShards(shards).size === 0;
}

function isCopy(path: string): boolean {
  if (COPIES.test(path)) return true;
  if (path.includes("/")) return false;
  const format = formatOf(path) ?? indexFormatOf(path);
  if (format !== null) return format !== "safetensors";
  return isAnyWeight(path) && !path.endsWith(".safetensors");
}

/** Leaves out the files that an engine does not load (`serving`), or reports their size. */
export function chosenFiles(manifest: Manifest, which: "all" | "serving"): Manifest {
  const isServed = servingFiles(manifest.files.map((file) => file.path));
  const { kept = [], left = [] } = Object.groupBy(
    manifest.files,
    ({ path }) => isServed(path) ? "kept" : "left",
  );
  const bytes = totalBytes({ files: left });
  if (bytes === 0) return manifest;
  const size = bytes < 2 ** 30
    ? `${(bytes / 2 ** 20).toFixed(1)} MiB`
    : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const superfluous = `${size} (files: ${left.length})`;
  const example = left[0]?.path;
  if (which === "all") {
    log.info(`an engine does not load ${superfluous}: --files serving leaves them out`, { example });
    return manifest;
  }
  log.info(`leaving out ${superfluous} that an engine does not load: --files all downloads them`, {
    example,
  });
  return { ...manifest, files: kept, filtered: true };
}
