import type { EngineMemory } from "./engine_memory.ts";
import { kvCacheBytes } from "./kv_cache_bytes.ts";
import { DTYPE_BYTES, type ModelShape } from "./model_shape.ts";

/** What is compared. */
export interface FitOptions {
  /** Bytes of the files that an engine would load. */
  readonly weightBytes: number;
  /** `null` if the model's configuration is not known: then weights alone are compared. */
  readonly shape: ModelShape | null;
  readonly engine: EngineMemory;
  /** Memory of one GPU. */
  readonly vramBytes: number;
}

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
  /** Fewest GPUs of this kind that would do, by tensor parallelism; `null` if 16 are too few. */
  readonly smallestCount: number | null;
}

/**
 * Compares a model with the memory of its GPUs as vLLM does at start: the weights, and KV cache for one
 * sequence of the longest length, must fit into utilization × memory. What activations and graphs take is not
 * counted: it depends on the engine's version.
 */
export function judgeFit({ weightBytes, shape, engine, vramBytes }: FitOptions): Fit {
  const { tensorParallel, pipelineParallel, dataParallel, utilization } = engine;
  const usableBytes = vramBytes * utilization;
  const modelBytes = weightBytes * loadedShare(shape, engine);
  const tokens = engine.maxTokens ?? shape?.maxTokens ?? null;
  const perGpu = (tp: number) => {
    const groups = engine.expertParallel ? tp * pipelineParallel * dataParallel : tp * pipelineParallel;
    return {
      weights: modelBytes / groups,
      kv: shape === null || tokens === null
        ? null
        : kvCacheBytes(shape, tokens, kvValueBytes(engine), tp, pipelineParallel),
    };
  };
  const { weights, kv } = perGpu(tensorParallel);
  const fits = (tp: number) => {
    const need = perGpu(tp);
    return need.weights + (need.kv ?? 0) <= usableBytes;
  };
  const smallest = COUNTS.find((tp) => (shape?.heads ?? tp) % tp === 0 && fits(tp));
  return {
    state: weights > usableBytes ? "weights" : weights + (kv ?? 0) > usableBytes ? "kv" : "fits",
    gpus: tensorParallel * pipelineParallel * dataParallel,
    vramBytes,
    usableBytes,
    utilization,
    modelBytes,
    weightBytes: weights,
    kvBytes: kv,
    tokens,
    tokensThatFit: shape === null || weights > usableBytes
      ? null
      : tokensIn(usableBytes - weights, shape, engine),
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

/** The longest sequence whose KV cache fits; windows bound it from above, so it is searched for. */
function tokensIn(room: number, shape: ModelShape, engine: EngineMemory): number {
  const bytes = (tokens: number) =>
    kvCacheBytes(
      shape,
      tokens,
      kvValueBytes(engine),
      engine.tensorParallel,
      engine.pipelineParallel,
    );
  let [low, high] = [0, shape.maxTokens ?? 1 << 20];
  if (bytes(high) <= room) return high;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (bytes(middle) <= room) low = middle;
    else high = middle;
  }
  return low;
}
