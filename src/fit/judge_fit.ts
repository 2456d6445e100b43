import { type ConfigMap, type ConfigValue, isNumberLiteral } from "../values/value.ts";
import { DTYPE_BYTES, type ModelShape } from "./model_shape.ts";

/** Whether a model fits the memory of its GPUs. Sizes in bytes of one GPU. */
export interface Fit {
  /** `kv`: the weights fit, but one sequence of the maximum length does not. */
  readonly state: "fits" | "weights" | "kv";
  readonly gpus: number;
  readonly vramBytes: number;
  /** What vLLM may use. */
  readonly usableBytes: number;
  readonly utilization: number;
  /** Of the complete model, as loaded. */
  readonly modelBytes: number;
  readonly weightBytes: number;
  /** For one sequence of `tokens`; `null` if the model's shape is not known. */
  readonly kvBytes: number | null;
  readonly tokens: number | null;
  /** The longest sequence that fits; `null` if the model's shape is not known or the weights do not fit. */
  readonly tokensThatFit: number | null;
  /** Fewest GPUs of this kind that are enough, by tensor parallelism; `null` if no size up to 16 is. */
  readonly smallestCount: number | null;
}

/**
 * Compares a model with the memory of its GPUs as vLLM does at start: the weights, and KV cache for one
 * sequence of the maximum length, must fit into utilization × memory. Activations and graphs are not counted:
 * they depend on the engine's version.
 *
 * @param shape `null` if it is not known: then only the weights are compared.
 * @param args vLLM's arguments, with `_` or `-` in their names.
 * @param vramBytes Memory of one GPU.
 */
export function judgeFit({ weightBytes, shape, args, vramBytes }: {
  readonly weightBytes: number;
  readonly shape: ModelShape | null;
  readonly args: ConfigMap;
  readonly vramBytes: number;
}): Fit {
  const engine = engineMemory(args);
  const { tensorParallel, pipelineParallel, dataParallel, utilization } = engine;
  const usableBytes = vramBytes * utilization;
  const modelBytes = weightBytes * loadedShare(shape, engine);
  const tokens = engine.maxTokens ?? shape?.maxTokens ?? null;
  const weightsOf = (tp: number) =>
    modelBytes / (tp * pipelineParallel * (engine.expertParallel ? dataParallel : 1));
  const kvOf = (length: number | null, tp: number) =>
    shape === null || length === null
      ? null
      : kvCacheBytes(shape, length, kvValueBytes(engine), tp, pipelineParallel);
  const fits = (tp: number, length = tokens) => weightsOf(tp) + (kvOf(length, tp) ?? 0) <= usableBytes;
  const weights = weightsOf(tensorParallel);
  const smallest = COUNTS.find((tp) => (shape?.heads ?? tp) % tp === 0 && fits(tp));
  return {
    state: weights > usableBytes ? "weights" : fits(tensorParallel) ? "fits" : "kv",
    gpus: tensorParallel * pipelineParallel * dataParallel,
    vramBytes,
    usableBytes,
    utilization,
    modelBytes,
    weightBytes: weights,
    kvBytes: kvOf(tokens, tensorParallel),
    tokens,
    tokensThatFit: shape === null || weights > usableBytes
      ? null
      : longest(shape.maxTokens ?? 1 << 20, (length) => fits(tensorParallel, length)),
    smallestCount: smallest === undefined ? null : smallest * pipelineParallel * dataParallel,
  };
}

const COUNTS: readonly number[] = [1, 2, 4, 8, 16];

const EXPERT_PARALLEL = "enable-expert-parallel";

type EngineMemory = ReturnType<typeof engineMemory>;

/** The arguments that determine memory use; `null`: the model's own. */
function engineMemory(args: ConfigMap) {
  const values = new Map([...args].map(([name, value]) => [name.replaceAll("_", "-"), value]));
  const number = (name: string, otherwise: number) => numberOf(values.get(name)) ?? otherwise;
  const text = (name: string) => {
    const value = values.get(name);
    return typeof value === "string" && value !== "auto" ? value : null;
  };
  return {
    tensorParallel: number("tensor-parallel-size", 1),
    pipelineParallel: number("pipeline-parallel-size", 1),
    dataParallel: number("data-parallel-size", 1),
    expertParallel: values.has(EXPERT_PARALLEL) && values.get(EXPERT_PARALLEL) !== false,
    /** Share of a GPU's memory that vLLM takes, 0 to 1; its own default is 0.9. */
    utilization: number("gpu-memory-utilization", 0.9),
    maxTokens: tokensOf(values.get("max-model-len")),
    dtype: text("dtype"),
    kvCacheDtype: text("kv-cache-dtype"),
    /** Quantisation at load time. */
    quantization: text("quantization"),
  };
}

function numberOf(value: ConfigValue | undefined): number | null {
  const number = typeof value === "string" ? Number(value) : isNumberLiteral(value) ? value.value : NaN;
  return Number.isFinite(number) && number > 0 ? number : null;
}

/** A length may be written `32k` (thousands) or `32K` (1024s). */
function tokensOf(value: ConfigValue | undefined): number | null {
  const [, digits, unit = ""] = typeof value === "string"
    ? /^(\d+(?:\.\d+)?)([kKmM]?)$/.exec(value) ?? []
    : [];
  if (digits === undefined) return numberOf(value);
  return Math.floor(Number(digits) * ({ "": 1, k: 1000, K: 1024, m: 1e6, M: 2 ** 20 }[unit] ?? 1));
}

/** Weights may be cast or quantised while they are loaded. */
function loadedShare(shape: ModelShape | null, { dtype, quantization }: EngineMemory): number {
  const stored = shape?.bytesPerWeight ?? null;
  if (shape === null || stored === null || shape.quantised) return 1;
  // vLLM's `auto` loads 32-bit weights in 16 bits.
  const cast = dtype === null ? Math.min(stored, 2) : DTYPE_BYTES[dtype] ?? stored;
  const quantised = QUANTISED.find(([names]) => names.test(quantization ?? ""))?.[1] ?? cast;
  return Math.min(cast, quantised) / stored;
}

/** Bytes of a weight by quantisation method. */
const QUANTISED: readonly (readonly [RegExp, number])[] = [[/fp8|int8|w8a8/, 1], [/bitsandbytes|4/, 0.5]];

function kvValueBytes({ kvCacheDtype, dtype }: EngineMemory): number {
  const type = kvCacheDtype ?? dtype ?? "";
  return /fp8|int8/.test(type) ? 1 : DTYPE_BYTES[type] ?? 2;
}

/** The longest sequence that fits, by bisection: a sliding window bounds the KV cache. */
function longest(most: number, fits: (tokens: number) => boolean): number {
  if (fits(most)) return most;
  let [low, high] = [0, most];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Bytes of KV cache that one GPU needs for one sequence of `tokens` tokens.
 *
 * @param tensorParallel GPUs that share the heads; each keeps at least one.
 * @param pipelineParallel GPUs that share the layers.
 */
export function kvCacheBytes(
  { layers: { full, windowed, window }, attention }: ModelShape,
  tokens: number,
  bytesPerValue: number,
  tensorParallel: number = 1,
  pipelineParallel: number = 1,
): number {
  const values = attention.kind === "latent"
    ? attention.values
    : Math.max(1, attention.kvHeads / tensorParallel) * attention.valuesPerHead;
  const kept = full * tokens + windowed * Math.min(tokens, window);
  return kept * values * bytesPerValue / pipelineParallel;
}

/**
 * Describes a fit in words, with sizes in GiB.
 *
 * @param gpu `MI300X`.
 * @param source Where the weights are.
 */
export function fitInWords(fit: Fit, gpu: string, source: string): string {
  const { gpus, tokens, kvBytes, smallestCount } = fit;
  const kv = kvBytes === null || tokens === null
    ? ""
    : ` and ${gib(kvBytes)} of KV cache for one sequence of ${tokens} tokens`;
  const inAll = `${gib(fit.modelBytes)} in all, from ${source}`;
  const need = `${gib(fit.weightBytes)} of weights${kv} per GPU (${inAll})`;
  const have = `${gib(fit.usableBytes)} of ${gib(fit.vramBytes)} usable on each of ${gpus} x ${gpu} ` +
    `(gpu-memory-utilization ${fit.utilization})`;
  if (fit.state === "fits") return `${need}; ${have}`;
  const instead: string[] = [];
  if (smallestCount === null) instead.push("no tensor-parallel size up to 16 is enough");
  else if (smallestCount > gpus) instead.push(`${smallestCount} x ${gpu} would be enough`);
  if (fit.state === "kv" && fit.tokensThatFit) instead.push(`max-model-len ${fit.tokensThatFit} would fit`);
  return `too little memory: ${need}; ${have}${instead.map((text) => `; ${text}`).join("")}`;
}

function gib(bytes: number): string {
  const value = bytes / 2 ** 30;
  return `${value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2)} GiB`;
}
