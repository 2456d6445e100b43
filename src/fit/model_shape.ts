import { fieldsOf, isJsonObject } from "../values/json.ts";

/** The parts of a model's configuration that determine how much memory a token takes. */
export interface ModelShape {
  /**
   * Layers that keep keys and values of all tokens, and those that keep a window of them. Others (linear
   * attention, Mamba) keep a state of fixed size, which is not counted.
   */
  readonly layers: { readonly full: number; readonly windowed: number; readonly window: number };
  /** A layer keeps values of a token per KV head; with latent attention (MLA), one vector on every GPU. */
  readonly attention:
    | { readonly kind: "heads"; readonly kvHeads: number; readonly valuesPerHead: number }
    | { readonly kind: "latent"; readonly values: number };
  /** Query heads: tensor parallelism must divide them; `null` if the configuration does not say. */
  readonly heads: number | null;
  /** Context length in tokens; `null` if the configuration does not say. */
  readonly maxTokens: number | null;
  /** Bytes of a weight as stored; `null` if unknown. */
  readonly bytesPerWeight: number | null;
  /** The weights are quantised already. */
  readonly quantised: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** Names of the same number in different model families. */
const LAYERS = ["num_hidden_layers", "n_layers", "n_layer", "num_layers"];
const HEADS = ["num_attention_heads", "n_heads", "n_head", "num_heads"];
const KV_HEADS = ["num_key_value_heads", "n_kv_heads", "num_kv_heads", "multi_query_group_num"];
const HIDDEN = ["hidden_size", "dim", "n_embd", "d_model"];
const LENGTH = ["max_position_embeddings", "max_seq_len", "seq_length", "n_positions", "model_max_length"];
const DTYPE = ["torch_dtype", "dtype"];
/** Where multimodal models keep the language model's part. */
const LANGUAGE = ["text_config", "language_config", "llm_config", "thinker_config", "language_model"];

/**
 * Reads the shape from `config.json`, or Mistral's `params.json`; `null` if it says too little.
 *
 * @param value The parsed file.
 */
export function modelShape(value: unknown): ModelShape | null {
  const whole = fieldsOf(value);
  const config = languagePart(whole);
  const layers = numberOf(config, ...LAYERS);
  const heads = numberOf(config, ...HEADS);
  const attention = attentionOf(config, heads);
  if (layers === null || attention === null) return null;
  const dtype = textOf(config, ...DTYPE) ?? textOf(whole, ...DTYPE);
  return {
    layers: layersOf(config, layers),
    attention,
    heads,
    maxTokens: maxTokensOf(config),
    bytesPerWeight: dtype === null ? null : DTYPE_BYTES[dtype.replace(/^torch\./, "")] ?? null,
    quantised: [whole, config].some((part) => isJsonObject(part.quantization_config)),
  };
}

/** Bytes of a value by PyTorch's name of its type. */
export const DTYPE_BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  float: 4,
  bfloat16: 2,
  float16: 2,
  half: 2,
  float8_e4m3fn: 1,
};

function languagePart(config: Json): Json {
  if (numberOf(config, ...LAYERS) !== null) return config;
  const part = LANGUAGE.map((name) => config[name]).find(isJsonObject);
  return part === undefined ? config : languagePart(part);
}

function attentionOf(config: Json, heads: number | null): ModelShape["attention"] | null {
  const latent = numberOf(config, "kv_lora_rank");
  // One vector for keys and values, and the rotary part of the keys.
  if (latent !== null) {
    return { kind: "latent", values: latent + (numberOf(config, "qk_rope_head_dim") ?? 0) };
  }
  const hidden = numberOf(config, ...HIDDEN);
  const headDim = numberOf(config, "head_dim", "kv_channels") ??
    (hidden === null || heads === null ? null : hidden / heads);
  const kvHeads = numberOf(config, ...KV_HEADS) ?? (config.multi_query === true ? 1 : heads);
  if (kvHeads === null || headDim === null) return null;
  return { kind: "heads", kvHeads, valuesPerHead: 2 * headDim };
}

function layersOf(config: Json, layers: number): ModelShape["layers"] {
  const own = config.use_sliding_window === false ? null : numberOf(config, "sliding_window");
  const window = own ?? Infinity;
  const kinds = Array.isArray(config.layer_types) ? config.layer_types : null;
  if (kinds !== null) {
    const count = (pattern: RegExp) => kinds.filter((kind) => pattern.test(String(kind))).length;
    const windowed = count(/sliding|chunked|local/);
    return {
      full: kinds.length - windowed - count(/linear|mamba|conv|recurrent/),
      windowed,
      window: own ?? numberOf(config, "attention_chunk_size") ?? window,
    };
  }
  const interval = numberOf(config, "full_attention_interval");
  if (interval !== null) return { full: Math.floor(layers / interval), windowed: 0, window };
  const pattern = textOf(config, "hybrid_override_pattern");
  if (pattern !== null) return { full: pattern.split("*").length - 1, windowed: 0, window };
  if (own === null) return { full: layers, windowed: 0, window };
  // Gemma: one of every so many layers keeps all tokens.
  const every = numberOf(config, "sliding_window_pattern") ?? SLIDING_PATTERNS[String(config.model_type)];
  const full = every === undefined ? 0 : Math.floor(layers / every);
  return { full, windowed: layers - full, window };
}

/** Older configurations leave the pattern to the model's code. */
const SLIDING_PATTERNS: Readonly<Record<string, number>> = {
  gemma2: 2,
  gemma3: 6,
  gemma3_text: 6,
  cohere2: 4,
  gpt_oss: 2,
};

function maxTokensOf(config: Json): number | null {
  const own = numberOf(config, ...LENGTH);
  const scaling = fieldsOf(config.rope_scaling);
  const kind = textOf(scaling, "rope_type", "type");
  const factor = numberOf(scaling, "factor");
  if (own === null || factor === null || kind === null) return own;
  // As vLLM derives it; other kinds state the scaled length themselves.
  if (kind === "yarn") return (numberOf(scaling, "original_max_position_embeddings") ?? own) * factor;
  return ["linear", "dynamic"].includes(kind) ? own * factor : own;
}

function numberOf(config: Json, ...names: readonly string[]): number | null {
  return names.map((name) => config[name]).find(isPositive) ?? null;
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value > 0;
}

function textOf(config: Json, ...names: readonly string[]): string | null {
  return names.map((name) => config[name]).find((value) => typeof value === "string") ?? null;
}
