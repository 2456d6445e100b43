import type { EngineMemory } from "./engine_memory.ts";
import { DTYPE_BYTES, type ModelShape } from "./model_shape.ts";

/** Whether a model fits the memory of its GPUs. Sizes in bytes of one GPU. */
export interface Fit {
  /** `kv`: the weights fit, one sequence of the longest length does not. */
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
  /**
   * The longest sequence for which there is room; `null` if the model's shape is not known or the weights do
   * not fit.
   */
  readonly tokensThatFit: number | null;
  /** Fewest GPUs of this kind that are enough, by tensor parallelism; `null` if 16 are too few. */
  readonly smallestCount: number | null;
}

/**
 * Compares a model with the memory of its GPUs as vLLM does at start: the weights, and KV cache for one
 * sequence of the longest length, must fit into utilization × memory. What activations and graphs take is not
 * counted: it depends on the engine's version.
 *
 * @param shape `null` if the model's configuration is not known: then only the weights are compared.
 * @param vramBytes Memory of one GPU.
 */
export function judgeFit({ weightBytes, shape, engine, vramBytes }: {
  readonly weightBytes: number;
  readonly shape: ModelShape | null;
  readonly engine: EngineMemory;
  readonly vramBytes: number;
}): Fit {
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

/** Weights may be cast or quantised while they are loaded. */
function loadedShare(shape: ModelShape | null, { dtype, quantization }: EngineMemory): number {
  const stored = shape?.bytesPerWeight ?? null;
  if (shape === null || stored === null || shape.quantised) return 1;
  // vLLM's `auto` loads 32-bit weights in 16 bits.
  const cast = dtype === null ? Math.min(stored, 2) : DTYPE_BYTES[dtype] ?? stored;
  const loaded = quantization === null
    ? cast
    : /fp8|int8|w8a8/.test(quantization)
    ? Math.min(cast, 1)
    : /bitsandbytes|4/.test(quantization)
    ? Math.min(cast, 0.5)
    : cast;
  return loaded / stored;
}

function kvValueBytes({ kvCacheDtype, dtype }: EngineMemory): number {
  if (kvCacheDtype !== null) return /fp8|int8/.test(kvCacheDtype) ? 1 : DTYPE_BYTES[kvCacheDtype] ?? 2;
  if (dtype !== null) return DTYPE_BYTES[dtype] ?? 2;
  return 2;
}

/** The longest sequence that fits; windows bound its KV cache, so it is searched for. */
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
 * Bytes of KV cache that one GPU needs for one sequence.
 *
 * @param tokens Length of the sequence.
 * @param bytesPerValue Of the cache's type.
 * @param tensorParallel GPUs that share the heads; each keeps at least one.
 * @param pipelineParallel GPUs that share the layers.
 */
export function kvCacheBytes(
  { groups, attention }: ModelShape,
  tokens: number,
  bytesPerValue: number,
  tensorParallel: number = 1,
  pipelineParallel: number = 1,
): number {
  const values = attention.kind === "latent"
    ? attention.values
    : Math.max(1, attention.kvHeads / tensorParallel) * attention.valuesPerHead;
  const kept = groups.reduce(
    (sum, { layers, window }) => sum + layers * Math.min(tokens, window ?? tokens),
    0,
  );
  return kept * values * bytesPerValue / pipelineParallel;
}

/**
 * The result of a comparison with the memory in words, with sizes in GiB.
 *
 * @param gpu `MI300X`.
 * @param source Where the size of the weights is from.
 */
export function fitInWords(fit: Fit, gpu: string, source: string): string {
  const { gpus, tokens, kvBytes, smallestCount } = fit;
  const kv = kvBytes === null || tokens === null
    ? ""
    : ` and ${gib(kvBytes)} of KV cache for one sequence of ${tokens} tokens`;
  const need = `${gib(fit.weightBytes)} of weights${kv} per GPU (${
    gib(fit.modelBytes)
  } in all, from ${source})`;
  const have = `${gib(fit.usableBytes)} of ${gib(fit.vramBytes)} usable on each of ${gpus} x ${gpu} ` +
    `(gpu-memory-utilization ${fit.utilization})`;
  if (fit.state === "fits") return `${need}; ${have}`;
  const instead = [
    ...(smallestCount === null
      ? [`16 x ${gpu} are too few`]
      : smallestCount > gpus
      ? [`${smallestCount} x ${gpu} would do`]
      : []),
    ...(fit.state === "kv" && fit.tokensThatFit !== null && fit.tokensThatFit > 0
      ? [`so would max-model-len ${fit.tokensThatFit}`]
      : []),
  ];
  return `memory is low: ${need}; ${have}${instead.length === 0 ? "" : `; ${instead.join(", ")}`}`;
}

function gib(bytes: number): string {
  const value = bytes / 2 ** 30;
  return `${value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2)} GiB`;
}
