import { formatOf, setOf, WEIGHT_FORMATS, type WeightFormat } from "../cache/judge/weight_files.ts";

/**
 * Bytes of the weights that an engine would load: one format only, or the largest GGUF quantisation.
 *
 * @param sizes Bytes by path.
 * @returns `null` without any weights.
 */
export function loadedBytes(sizes: ReadonlyMap<string, number>): number | null {
  const weights = [...sizes].flatMap(([path, bytes]) => {
    const format = formatOf(path.slice(path.lastIndexOf("/") + 1));
    return format === null ? [] : [{ path, bytes, format, top: !path.includes("/") }];
  });
  // A pipeline has its weights in folders.
  const own = weights.some((one) => one.top) ? weights.filter((one) => one.top) : weights;
  const format = WEIGHT_FORMATS.find((one: WeightFormat) => own.some((file) => file.format === one));
  if (format === undefined) return null;
  const loaded = own.filter((file) => file.format === format);
  const sum = (files: typeof loaded) => files.reduce((total, file) => total + file.bytes, 0);
  if (format !== "gguf") return sum(loaded);
  return Math.max(...Map.groupBy(loaded, (file) => setOf(file.path)).values().map(sum));
}
