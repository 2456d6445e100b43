import type { RecordedFile } from "./record.ts";

/** What the contents of a directory say about the model in it. */
export type Judgement =
  | { readonly state: "complete"; readonly reason: string }
  | { readonly state: "partial"; readonly reason: string }
  | { readonly state: "absent"; readonly reason: string };

/**
 * Judges a model by what it was downloaded as: whole when every file is there with its size. A download that its filters left without any
 * weights, without their configuration, or with part of a set of shards, is none.
 *
 * @param recorded The files of its record.
 * @param files Sizes in bytes by relative path, as they lie there.
 * @param readText Gives the text of an index of shards.
 */
export async function judgeRecorded(
  recorded: readonly RecordedFile[],
  files: ReadonlyMap<string, number>,
  readText: (path: string) => Promise<string | null>,
): Promise<Judgement> {
  for (const { path, size } of recorded) {
    const there = files.get(path);
    if (there === undefined) return partial(`${path} is missing`);
    if (there !== size) return partial(`${path} has ${there} bytes instead of ${size}`);
  }
  const known = new Map(recorded.map(({ path, size }) => [path, size]));
  if (!recorded.some(({ path }) => ANY_WEIGHTS.test(path))) {
    return partial("it was downloaded without any weights");
  }
  const fault = await shardFault(known, readText) ?? configFault(known);
  if (fault !== null) return partial(fault);
  const count = recorded.length === 1 ? "1 file" : `${recorded.length} files`;
  return { state: "complete", reason: `whole by its manifest: ${count}` };
}

/**
 * Judges by its files alone whether a directory holds a whole model that an engine can load: `config.json` (or Mistral's `params.json`, or
 * a GGUF file, which carries its own), weights, and every shard that an index or a shard's own name calls for.
 *
 * @param files Sizes in bytes by relative path.
 * @param readText Gives the text of an index of shards.
 */
export async function judgeFiles(
  files: ReadonlyMap<string, number>,
  readText: (path: string) => Promise<string | null>,
): Promise<Judgement> {
  const names = [...files.keys()].sort();
  if (names.length === 0) return { state: "absent", reason: "there is no file in it" };
  const unfinished = names.find((name) => /\.incomplete(?:\.parts)?$|\.part$|\.aria2$/.test(name));
  if (unfinished !== undefined) return partial(`a download is unfinished (${unfinished})`);
  const fault = await shardFault(files, readText);
  if (fault !== null) return partial(fault);
  const weights = names.filter((name) => !name.includes("/") && isWeight(name));
  if (weights.length === 0) {
    return partial(
      names.includes("adapter_config.json")
        ? "it holds an adapter and no weights of a model"
        : "there are no weights (safetensors, bin, pt, gguf)",
    );
  }
  const empty = weights.find((name) => files.get(name) === 0);
  if (empty !== undefined) return partial(`${empty} is empty`);
  const without = configFault(files);
  if (without !== null) return partial(without);
  return { state: "complete", reason: `${configOf(files) ?? "a GGUF file"} and weights are there` };
}

/** Weights that an engine loads say nothing without their configuration; GGUF carries its own. */
function configFault(files: ReadonlyMap<string, number>): string | null {
  const weights = [...files.keys()].filter((name) => !name.includes("/") && isWeight(name));
  const needed = weights.length > 0 && !weights.some((name) => name.endsWith(".gguf"));
  return needed && configOf(files) === undefined ? "config.json is missing" : null;
}

function configOf(files: ReadonlyMap<string, number>): string | undefined {
  return ["config.json", "params.json"].find((name) => (files.get(name) ?? 0) > 0);
}

/** A shard that an index or another shard's name calls for, and that is not there; `null` where none is missing. */
async function shardFault(
  files: ReadonlyMap<string, number>,
  readText: (path: string) => Promise<string | null>,
): Promise<string | null> {
  const names = [...files.keys()].filter((name) => !name.includes("/")).sort();
  const weights = names.filter(isWeight);
  const isMissing = (shard: string) => (files.get(shard) ?? 0) === 0;
  for (const index of names.filter((name) => name.endsWith(".index.json"))) {
    const shards = shardsOf(await readText(index));
    if (shards === null) return `${index} cannot be read as an index of shards`;
    // A repository may carry an index for a format whose weights were left out on purpose.
    const otherFormat = weights.some((name) => formatOf(name) !== formatOf(shards[0] ?? ""));
    if (otherFormat && shards.every(isMissing)) continue;
    const missing = shards.filter(isMissing);
    if (missing.length > 0) return missingInWords(missing, `named in ${index}`);
  }
  const sets = new Map(weights.map((name) => [setOf(name), name]));
  for (const name of sets.values()) {
    const missing = siblingsOf(name).filter(isMissing);
    if (missing.length > 0) return missingInWords(missing, `${name} is one of its set`);
  }
  return null;
}

function partial(reason: string): Judgement {
  // Names come from whoever made the files, and go to a terminal.
  // deno-lint-ignore no-control-regex
  return { state: "partial", reason: reason.replace(/[\x00-\x1f\x7f]/g, "\ufffd") };
}

function missingInWords(missing: readonly string[], why: string): string {
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
  return `${missing[0]}${more} ${missing.length > 1 ? "are" : "is"} missing (${why})`;
}

// Optimizer states, adapters and trainers' leftovers are not what an engine loads.
const NOT_WEIGHTS = /^(?:training_args|optimizer|scheduler|rng_state.*|adapter_model)\./;

/** Weights of any kind, an engine's or not. */
const ANY_WEIGHTS = /\.(?:safetensors|bin|pt|pth|gguf|ckpt|onnx|h5|msgpack|npz|nemo|pdparams|tflite|engine)$/;

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

const SHARD = /^(.*-)(\d{5,6})-of-(\d{5,6})(\..+)$/;

/** Names the set that a shard belongs to; any other file is one of its own. */
function setOf(name: string): string {
  return name.replace(SHARD, "$1-of-$3$4");
}

/** All files of the set that `model-00001-of-00003.safetensors` belongs to. */
function siblingsOf(name: string): string[] {
  const [, stem = "", at = "", total = "0", suffix = ""] = SHARD.exec(name) ?? [];
  const count = Math.min(Number(total), 100_000);
  return Array.from(
    { length: count },
    (_, i) => `${stem}${String(i + 1).padStart(at.length, "0")}-of-${total}${suffix}`,
  );
}
