import { fieldsOf, isJsonObject, jsonOrNull } from "../../values/json.ts";

/** In an engine's order of preference. `consolidated` is Mistral's and Meta's. */
export const WEIGHT_FORMATS = ["safetensors", "bin", "consolidated", "pt", "gguf"] as const;

export type WeightFormat = typeof WEIGHT_FORMATS[number];

/** The index of shards for each format. Indexes with other names are used only if it is missing. */
export const MAIN_INDEX: Readonly<Partial<Record<WeightFormat, string>>> = {
  safetensors: "model.safetensors.index.json",
  bin: "pytorch_model.bin.index.json",
  consolidated: "consolidated.safetensors.index.json",
};

// Optimizer states, adapters and trainers' files, which an engine does not load.
const NOT_WEIGHTS = /^(?:training_args|optimizer|scheduler|rng_state.*|adapter_model|adapter)\./;

/** The format of an engine's weights; `null` for any other file. @param name Without folders. */
export function formatOf(name: string): WeightFormat | null {
  const [, ending] = NOT_WEIGHTS.test(name) ? [] : /\.(safetensors|bin|pt|pth|gguf)$/.exec(name) ?? [];
  if (ending === undefined) return null;
  if (ending === "gguf" || ending === "bin") return ending;
  if (/^consolidated[.-]/.test(name)) return "consolidated";
  return ending === "safetensors" ? ending : "pt";
}

/** The format of an index's shards, by the index's name; `null` for any other file. */
export function indexFormatOf(name: string): WeightFormat | null {
  const [, weights] = /^(.+\.(?:safetensors|bin))\.index\.json$/.exec(name) ?? [];
  return weights === undefined ? null : formatOf(weights);
}

/** True for weights of any format. */
export function isAnyWeight(path: string): boolean {
  return /\.(?:safetensors|bin|pt|pth|gguf|ckpt|onnx|h5|msgpack|npz|nemo|pdparams|tflite|engine)$/.test(path);
}

/** True for weights whose loading can run code. */
export function isPickle(path: string): boolean {
  return /\.(?:bin|pt|pth|ckpt|pkl|pickle)$/.test(path);
}

/** True for other files that an engine reads. */
export function isReadByEngine(name: string): boolean {
  return /\.(?:json|model|jinja|tiktoken|py)$|^(?:merges|vocab)\.txt$/.test(name);
}

/**
 * The shards in an index; `null` if the text is not an index. @param folder Its folder with a final `/`, or
 * empty.
 */
export function shardsOfIndex(text: string, folder: string): string[] | null {
  const names = plainShards(text) ?? parsedShards(text);
  return names === null || names.size === 0 ? null : [...names].sort().map((name) => `${folder}${name}`);
}

/**
 * Reads an index of the usual form without parsing it as JSON, which takes 200 ms for 100,000 tensors; `null`
 * for other forms.
 */
function plainShards(text: string): Set<string> | null {
  const start = /^\s*\{(?:\s*"metadata"\s*:\s*\{[^{}"]*(?:"[^"\\]*"[^{}"]*)*\}\s*,)?\s*"weight_map"\s*:\s*\{/
    .exec(text);
  if (start === null) return null;
  const entry = /\s*"[^"\\]*"\s*:\s*"([^"\\]*)"\s*([,}])/y;
  entry.lastIndex = start[0].length;
  const names = new Set<string>();
  let last = "";
  for (;;) {
    const [, name = "", next] = entry.exec(text) ?? [];
    if (next === undefined) return null;
    if (name !== last) names.add(last = name);
    if (next === "}") break;
  }
  return /^\s*(?:,\s*"metadata"\s*:\s*\{[^{}]*\}\s*)?\}\s*$/.test(text.slice(entry.lastIndex)) ? names : null;
}

function parsedShards(text: string): Set<string> | null {
  const { weight_map } = fieldsOf(jsonOrNull(text));
  if (!isJsonObject(weight_map)) return null;
  return new Set(Object.values(weight_map).filter((name) => typeof name === "string"));
}

const SHARD = /^(.*-)(\d{5,6})-of-(\d{5,6})(\..+)$/;

/** The set of a shard, by its name; any other file is its own set. */
export function setOf(name: string): string {
  return name.replace(SHARD, "$1-of-$3$4");
}

/**
 * The files that are missing from sets of shards, which are numbered from 0 or 1; each with a file of its set
 * that is present.
 */
export function missingShards(names: readonly string[]): Map<string, string> {
  const missing = new Map<string, string>();
  for (const set of Map.groupBy(names, setOf).values()) {
    const [one = ""] = set;
    const [, stem = "", at = "", total = "0", suffix = ""] = SHARD.exec(one) ?? [];
    const first = set.some((name) => Number(SHARD.exec(name)?.[2] ?? 1) === 0) ? 0 : 1;
    const present = new Set(set);
    for (let i = 0; i < Math.min(Number(total), 100_000); i++) {
      const name = `${stem}${String(first + i).padStart(at.length, "0")}-of-${total}${suffix}`;
      if (!present.has(name)) missing.set(name, one);
    }
  }
  return missing;
}

/** Configuration files, in order of preference; a model needs one of them. */
export const CONFIGS: readonly string[] = ["config.json", "params.json"];
