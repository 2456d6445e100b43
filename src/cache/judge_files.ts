/** What the contents of a directory say about the model in it. */
export type Judgement =
  | { readonly state: "complete"; readonly reason: string }
  | { readonly state: "partial"; readonly reason: string }
  | { readonly state: "absent"; readonly reason: string };

/**
 * Judges by its files whether a directory holds a whole model that an engine can load: `config.json` (or Mistral's `params.json`, or a
 * GGUF file, which carries its own), weights, and every shard that an index or a shard's own name calls for.
 *
 * @param files Sizes in bytes by relative path.
 * @param readIndex Gives the text of a `*.index.json`.
 */
export async function judgeFiles(
  files: ReadonlyMap<string, number>,
  readIndex: (path: string) => Promise<string | null>,
): Promise<Judgement> {
  const names = [...files.keys()].sort();
  if (names.length === 0) return { state: "absent", reason: "there is no file in it" };
  const unfinished = names.find((name) => /\.incomplete(?:\.parts)?$|\.part$|\.aria2$/.test(name));
  if (unfinished !== undefined) return partial(`a download is unfinished (${unfinished})`);
  const weights = names.filter((name) => !name.includes("/") && isWeight(name));
  for (const index of names.filter((name) => !name.includes("/") && name.endsWith(".index.json"))) {
    const shards = shardsOf(await readIndex(index));
    if (shards === null) return partial(`${index} cannot be read as an index of shards`);
    // A repository may carry an index for a format whose weights were left out on purpose.
    if (
      shards.length > 0 && !shards.some((shard) => files.has(shard)) &&
      weights.some((name) => !shards.includes(name))
    ) {
      const others = weights.filter((name) => formatOf(name) !== formatOf(shards[0] ?? ""));
      if (others.length > 0) continue;
    }
    const missing = shards.filter((shard) => (files.get(shard) ?? 0) === 0);
    if (missing.length > 0) return partial(missingInWords(missing, `named in ${index}`));
  }
  for (const name of weights) {
    const missing = siblingsOf(name).filter((shard) => (files.get(shard) ?? 0) === 0);
    if (missing.length > 0) return partial(missingInWords(missing, `${name} is one of its set`));
  }
  if (weights.length === 0) return partial("there are no weights (safetensors, bin, pt, gguf)");
  const empty = weights.find((name) => files.get(name) === 0);
  if (empty !== undefined) return partial(`${empty} is empty`);
  const config = names.find((name) =>
    ["config.json", "params.json"].includes(name) && (files.get(name) ?? 0) > 0
  );
  if (config === undefined && !weights.some((name) => name.endsWith(".gguf"))) {
    return partial("config.json is missing");
  }
  return { state: "complete", reason: `${config ?? "a GGUF file"} and weights are there` };
}

function partial(reason: string): Judgement {
  return { state: "partial", reason };
}

function missingInWords(missing: readonly string[], why: string): string {
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
  return `${missing[0]}${more} ${missing.length > 1 ? "are" : "is"} missing (${why})`;
}

// Optimizer states, adapters' and trainers' leftovers are not what an engine loads.
const NOT_WEIGHTS = /^(?:training_args|optimizer|scheduler|rng_state.*|adapter_model)\./;

function isWeight(name: string): boolean {
  return /\.(?:safetensors|bin|pt|pth|gguf)$/.test(name) && !NOT_WEIGHTS.test(name);
}

function formatOf(name: string): string {
  const consolidated = name.startsWith("consolidated") ? "consolidated." : "";
  return consolidated + name.slice(name.lastIndexOf(".") + 1);
}

function shardsOf(text: string | null): string[] | null {
  try {
    const value: unknown = JSON.parse(text ?? "");
    const map = typeof value === "object" && value !== null
      ? (value as { weight_map?: unknown }).weight_map
      : undefined;
    if (typeof map !== "object" || map === null) return null;
    return [...new Set(Object.values(map).filter((shard) => typeof shard === "string"))].sort();
  } catch {
    return null;
  }
}

/** All files of the set that `model-00001-of-00003.safetensors` belongs to. */
function siblingsOf(name: string): string[] {
  const match = /^(.*-)(\d{5})-of-(\d{5})(\..+)$/.exec(name);
  if (match === null) return [];
  const [, stem = "", , total = "0", suffix = ""] = match;
  return Array.from(
    { length: Number(total) },
    (_, at) => `${stem}${String(at + 1).padStart(5, "0")}-of-${total}${suffix}`,
  );
}
