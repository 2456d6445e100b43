// The catalogue of profiles, from which profiles/generate.ts writes the profile files.
//
// `measured` is the type that AMD publishes with AIM 0.9 for exactly that combination of model, GPU, count
// and metric: `optimized` or `preview`. The rest is unmeasured: it is `unoptimized` and never selected
// automatically. Settings are AMD's published values and those of the vLLM performance guide in the ROCm
// documentation, without options and variables that vLLM has removed up to 0.27.

/**
 * A setting's value in YAML's spelling: the text of a number, a word, `null` for a flag without a value, or a
 * mapping of those.
 */
export type Setting = string | null | boolean | { readonly [name: string]: string };
export type Settings = Readonly<Record<string, Setting>>;

/** A GPU. `memory`: GB per device (for an MI250X, a device is one of its two dies). */
export interface GpuRow {
  readonly memory: number;
  readonly arch: string;
  /** Precisions that its matrix cores support, or that vLLM supports by widening (fp4 on all). */
  readonly precisions: readonly string[];
}

export const GPUS = {
  MI250X: { memory: 64, arch: "gfx90a", precisions: ["fp16", "fp4"] },
  MI300X: { memory: 192, arch: "gfx942", precisions: ["fp16", "fp8", "fp4"] },
  MI325X: { memory: 256, arch: "gfx942", precisions: ["fp16", "fp8", "fp4"] },
  MI350X: { memory: 288, arch: "gfx950", precisions: ["fp16", "fp8", "fp4"] },
  MI355X: { memory: 288, arch: "gfx950", precisions: ["fp16", "fp8", "fp4"] },
} as const satisfies Record<string, GpuRow>;

export type GpuName = keyof typeof GPUS;

/** Settings for a family of models. */
export interface Recipe {
  readonly args: Settings;
  readonly env: Readonly<Record<string, string>>;
  /** Differences by metric. */
  readonly latency?: Settings;
  readonly throughput?: Settings;
  /** Differences by precision. */
  readonly fp16?: Settings;
  readonly fp8?: Settings;
  readonly fp4?: Settings;
  /** Environment variables by GPU. */
  readonly gpuEnv?: Readonly<Partial<Record<GpuName, Readonly<Record<string, string>>>>>;
  /** Differences on eight GPUs. */
  readonly tp8?: Settings;
  /** Set `GPU_ARCHS`, so that AITER compiles its kernels only for this GPU. */
  readonly pinArch?: boolean;
}

const QUIET: Settings = { "disable-uvicorn-access-log": null, "no-enable-log-requests": null };
const BATCHES: Settings = { "max-model-len": "32768", "max-num-seqs": "512" };

/** Dense decoders and small mixtures of experts: AITER with its RMS norm and rotary embedding. */
const DENSE: Recipe = {
  args: {
    ...QUIET,
    ...BATCHES,
    "async-scheduling": null,
    "distributed-executor-backend": "mp",
    "gpu-memory-utilization": "0.9",
    "max-num-batched-tokens": "1024",
    "no-enable-prefix-caching": null,
    "no-trust-remote-code": null,
  },
  fp16: { dtype: "float16" },
  fp8: { "kv-cache-dtype": "fp8" },
  env: {
    HSA_NO_SCRATCH_RECLAIM: "1",
    VLLM_ROCM_USE_AITER: "1",
    VLLM_ROCM_USE_AITER_RMSNORM: "1",
    VLLM_ROCM_USE_AITER_TRITON_ROPE: "1",
  },
  pinArch: true,
};

const adapted = (recipe: Recipe, args: Settings, more: Partial<Recipe> = {}): Recipe => ({
  ...recipe,
  ...more,
  args: { ...recipe.args, ...args },
});

const QWEN3 = adapted(DENSE, { "reasoning-parser": "qwen3" });

const MISTRAL = adapted(DENSE, {
  "config-format": "mistral",
  "enable-auto-tool-choice": null,
  "load-format": "mistral",
  "tokenizer-mode": "mistral",
  "tool-call-parser": "mistral",
});

const COMMAND_A: Recipe = {
  args: {
    ...QUIET,
    ...BATCHES,
    "distributed-executor-backend": "mp",
    "gpu-memory-utilization": "0.92",
    "max-num-batched-tokens": "1024",
    "no-async-scheduling": null,
    "no-enable-prefix-caching": null,
    "no-trust-remote-code": null,
  },
  fp16: { dtype: "float16" },
  env: {
    HSA_NO_SCRATCH_RECLAIM: "1",
    NCCL_MIN_NCHANNELS: "112",
    TORCH_BLAS_PREFER_HIPBLASLT: "1",
    VLLM_ROCM_USE_AITER: "1",
    VLLM_ROCM_USE_AITER_MHA: "1",
  },
};

/** Large mixtures of experts, with expert and tensor parallelism. */
const EXPERTS: Recipe = {
  args: {
    ...QUIET,
    ...BATCHES,
    dtype: "auto",
    "distributed-executor-backend": "mp",
    "enable-auto-tool-choice": null,
    "enable-expert-parallel": null,
    "gpu-memory-utilization": "0.9",
    "kv-cache-dtype": "auto",
    "max-num-batched-tokens": "2048",
    "no-async-scheduling": null,
    "no-enable-prefix-caching": null,
    "no-trust-remote-code": null,
    "reasoning-parser": "qwen3",
    "tool-call-parser": "hermes",
  },
  env: {
    HSA_NO_SCRATCH_RECLAIM: "1",
    VLLM_ROCM_USE_AITER: "1",
  },
};

const MIXTRAL_LARGE: Recipe = {
  args: {
    "distributed-executor-backend": "mp",
    "gpu-memory-utilization": "0.95",
  },
  fp16: { dtype: "float16" },
  fp8: { "kv-cache-dtype": "fp8" },
  env: {
    HIP_FORCE_DEV_KERNARG: "1",
    NCCL_MIN_NCHANNELS: "112",
    PYTORCH_TUNABLEOP_ENABLED: "1",
    PYTORCH_TUNABLEOP_TUNING: "0",
    PYTORCH_TUNABLEOP_VERBOSE: "1",
    TORCH_BLAS_PREFER_HIPBLASLT: "1",
    VLLM_DO_NOT_TRACK: "1",
  },
};

const GPT_OSS: Recipe = {
  args: {
    ...BATCHES,
    "compilation-config": { cudagraph_mode: "FULL_AND_PIECEWISE" },
    "enable-auto-tool-choice": null,
    "enable-log-requests": false,
    "gpu-memory-utilization": "0.95",
    "max-num-batched-tokens": "2048",
    "no-enable-prefix-caching": null,
    "reasoning-parser": "openai_gptoss",
    "tool-call-parser": "openai",
  },
  latency: { "no-async-scheduling": null },
  throughput: { "async-scheduling": null },
  tp8: { "gpu-memory-utilization": "0.9" },
  env: {
    NCCL_MIN_NCHANNELS: "112",
    TORCH_BLAS_PREFER_HIPBLASLT: "1",
    VLLM_DO_NOT_TRACK: "1",
    VLLM_ROCM_USE_AITER: "1",
    VLLM_ROCM_USE_AITER_MHA: "0",
    VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION: "1",
  },
  gpuEnv: { MI300X: { VLLM_ROCM_QUICK_REDUCE_QUANTIZATION: "INT4" } },
};

/** Multi-head latent attention: AITER's kernels for it need a block size of 1. */
const DEEPSEEK: Recipe = {
  args: {
    ...QUIET,
    "block-size": "1",
    "distributed-executor-backend": "mp",
    "gpu-memory-utilization": "0.9",
    "max-model-len": "32768",
    "no-enable-prefix-caching": null,
    "reasoning-parser": "deepseek_r1",
  },
  env: {
    HSA_NO_SCRATCH_RECLAIM: "1",
    NCCL_MIN_NCHANNELS: "112",
    VLLM_DO_NOT_TRACK: "1",
    VLLM_ROCM_USE_AITER: "1",
  },
};

/** For any model on an Instinct GPU: only settings that work with every model. */
export const GENERAL: Recipe = {
  args: { "gpu-memory-utilization": "0.95" },
  fp16: { dtype: "float16" },
  // vLLM quantises the weights of any half-precision model while loading.
  fp8: { dtype: "float16", quantization: "fp8" },
  env: { NCCL_MIN_NCHANNELS: "112", TORCH_BLAS_PREFER_HIPBLASLT: "1", VLLM_DO_NOT_TRACK: "1" },
};

/**
 * The precisions of general profiles. Quantising on load changes a model's output, so fp8 is never selected
 * automatically.
 */
export const GENERAL_PRECISIONS = { fp16: "general", fp8: "unoptimized" } as const;
export const GENERAL_COUNTS = [1, 2, 4, 8] as const;

/** A general bf16 profile for an accelerator without model-specific profiles. */
export interface GeneralRow {
  readonly type: "gpu" | "cpu";
  /** Numbers of GPUs, or of CPU cores. */
  readonly counts: readonly number[];
  readonly args: Settings;
  readonly env: Readonly<Record<string, string>>;
}

const RADEON: GeneralRow = {
  type: "gpu",
  counts: [1, 2, 4],
  args: { dtype: "bfloat16", "gpu-memory-utilization": "0.9" },
  env: {
    FLASH_ATTENTION_TRITON_AMD_ENABLE: "TRUE",
    TORCH_BLAS_PREFER_HIPBLASLT: "1",
    TORCH_ROCM_AOTRITON_ENABLE_EXPERIMENTAL: "1",
    VLLM_DO_NOT_TRACK: "1",
  },
};

// Threads are not set: aim sets them to the cores available to the container.
const EPYC: Pick<GeneralRow, "type" | "args" | "env"> = {
  type: "cpu",
  args: { dtype: "bfloat16" },
  env: {
    VLLM_CPU_KVCACHE_SPACE: "80",
    VLLM_CPU_OMP_THREADS_BIND: "auto",
    VLLM_DO_NOT_TRACK: "1",
    ZENDNN_MATMUL_ALGO: "FP32:4,BF16:0",
  },
};

export const GENERAL_OTHERS: Readonly<Record<string, GeneralRow>> = {
  W7900: RADEON,
  R9700: RADEON,
  EPYC_9965: { ...EPYC, counts: [188] },
  EPYC_ZEN5: { ...EPYC, counts: [124] },
  EPYC_ZEN4: { ...EPYC, counts: [1] },
  CPU: {
    type: "cpu",
    counts: [1],
    args: { dtype: "bfloat16" },
    // GiB for the KV cache: small enough for a laptop.
    env: { VLLM_CPU_KVCACHE_SPACE: "4", VLLM_CPU_OMP_THREADS_BIND: "auto", VLLM_DO_NOT_TRACK: "1" },
  },
};

/** A model in one precision. */
export interface Variant {
  readonly precision: "fp16" | "fp8" | "fp4";
  /** The repository that is loaded. */
  readonly modelId: string;
  /** GB of weights. */
  readonly weights: number;
  /** GPU counts to offer, if the weights fit. */
  readonly counts: readonly number[];
  /** GPUs to offer it for. @default {all that support the precision} */
  readonly gpus?: readonly GpuName[];
  /** Measured combinations by `GPU tpN metric`; `*` stands for both metrics. */
  readonly measured?: Readonly<Record<string, "optimized" | "preview">>;
  /** Arguments that override the recipe's. */
  readonly args?: Settings;
}

export interface ModelRow {
  readonly aimId: string;
  readonly recipe: Recipe;
  readonly variants: readonly Variant[];
}

const FP4_GPUS = ["MI350X", "MI355X"] as const;

export const MODELS: readonly ModelRow[] = [
  {
    aimId: "meta-llama/Llama-3.1-8B-Instruct",
    recipe: DENSE,
    variants: [
      {
        precision: "fp16",
        modelId: "meta-llama/Llama-3.1-8B-Instruct",
        weights: 16,
        counts: [1, 2],
        measured: { "MI300X tp1 *": "optimized", "MI300X tp2 *": "preview" },
      },
      {
        precision: "fp8",
        modelId: "amd/Llama-3.1-8B-Instruct-FP8-KV",
        weights: 9,
        counts: [1, 2],
        measured: { "MI300X tp1 *": "optimized", "MI300X tp2 *": "optimized" },
      },
    ],
  },
  {
    aimId: "meta-llama/Llama-3.1-405B-Instruct",
    recipe: DENSE,
    variants: [
      {
        precision: "fp16",
        modelId: "meta-llama/Llama-3.1-405B-Instruct",
        weights: 812,
        counts: [4, 8],
      },
      {
        precision: "fp8",
        modelId: "amd/Llama-3.1-405B-Instruct-FP8-KV",
        weights: 410,
        counts: [4, 8],
        measured: { "MI300X tp8 *": "optimized" },
        args: { dtype: "float16" },
      },
      {
        precision: "fp4",
        modelId: "amd/Llama-3.1-405B-Instruct-MXFP4-Preview",
        weights: 218,
        counts: [1, 2, 4, 8],
        gpus: FP4_GPUS,
      },
    ],
  },
  {
    aimId: "meta-llama/Llama-3.2-1B-Instruct",
    recipe: DENSE,
    variants: [
      {
        precision: "fp16",
        modelId: "meta-llama/Llama-3.2-1B-Instruct",
        weights: 2.5,
        counts: [1],
        measured: { "MI300X tp1 throughput": "optimized" },
      },
      { precision: "fp8", modelId: "amd/Llama-3.2-1B-Instruct-FP8-KV", weights: 1.8, counts: [1] },
    ],
  },
  {
    aimId: "meta-llama/Llama-3.2-3B-Instruct",
    recipe: DENSE,
    variants: [
      {
        precision: "fp16",
        modelId: "meta-llama/Llama-3.2-3B-Instruct",
        weights: 6.5,
        counts: [1],
        measured: { "MI300X tp1 latency": "preview", "MI300X tp1 throughput": "optimized" },
      },
      { precision: "fp8", modelId: "amd/Llama-3.2-3B-Instruct-FP8-KV", weights: 4, counts: [1] },
    ],
  },
  {
    aimId: "meta-llama/Llama-3.3-70B-Instruct",
    recipe: DENSE,
    variants: [
      {
        precision: "fp16",
        modelId: "meta-llama/Llama-3.3-70B-Instruct",
        weights: 141,
        counts: [1, 2, 4],
      },
      {
        precision: "fp8",
        modelId: "amd/Llama-3.3-70B-Instruct-FP8-KV",
        weights: 73,
        counts: [1, 2],
        measured: { "MI300X tp1 *": "preview", "MI300X tp2 throughput": "preview" },
      },
      {
        precision: "fp4",
        modelId: "amd/Llama-3.3-70B-Instruct-MXFP4-Preview",
        weights: 42,
        counts: [1, 2],
        gpus: FP4_GPUS,
      },
    ],
  },
  {
    aimId: "Qwen/Qwen3-32B",
    recipe: QWEN3,
    variants: [
      {
        precision: "fp16",
        modelId: "Qwen/Qwen3-32B",
        weights: 66,
        counts: [1, 2],
        measured: { "MI300X tp1 *": "optimized" },
      },
      { precision: "fp8", modelId: "Qwen/Qwen3-32B-FP8", weights: 34, counts: [1, 2] },
    ],
  },
  {
    aimId: "Qwen/Qwen3-235B-A22B",
    recipe: EXPERTS,
    variants: [
      {
        precision: "fp16",
        modelId: "Qwen/Qwen3-235B-A22B",
        weights: 470,
        counts: [4, 8],
        measured: { "MI300X tp8 *": "optimized" },
      },
      { precision: "fp8", modelId: "Qwen/Qwen3-235B-A22B-FP8", weights: 237, counts: [4, 8] },
    ],
  },
  {
    aimId: "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
    recipe: MISTRAL,
    variants: [
      {
        precision: "fp16",
        modelId: "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
        weights: 48,
        counts: [1, 2],
        measured: { "MI300X tp1 *": "optimized", "MI300X tp2 *": "optimized" },
      },
    ],
  },
  {
    aimId: "mistralai/Mixtral-8x7B-Instruct-v0.1",
    recipe: DENSE,
    variants: [
      {
        precision: "fp16",
        modelId: "mistralai/Mixtral-8x7B-Instruct-v0.1",
        weights: 93,
        counts: [1, 2],
        measured: { "MI300X tp1 *": "optimized" },
      },
      { precision: "fp8", modelId: "amd/Mixtral-8x7B-Instruct-v0.1-FP8-KV", weights: 47, counts: [1, 2] },
    ],
  },
  {
    aimId: "mistralai/Mixtral-8x22B-Instruct-v0.1",
    recipe: MIXTRAL_LARGE,
    variants: [
      {
        precision: "fp16",
        modelId: "mistralai/Mixtral-8x22B-Instruct-v0.1",
        weights: 281,
        counts: [4, 8],
        measured: { "MI300X tp8 throughput": "optimized" },
      },
      {
        precision: "fp8",
        modelId: "amd/Mixtral-8x22B-Instruct-v0.1-FP8-KV",
        weights: 141,
        counts: [2, 4, 8],
      },
    ],
  },
  {
    aimId: "CohereLabs/command-a-reasoning-08-2025",
    recipe: COMMAND_A,
    variants: [
      {
        precision: "fp16",
        modelId: "CohereLabs/command-a-reasoning-08-2025",
        weights: 222,
        counts: [2, 4, 8],
        measured: {
          "MI300X tp2 *": "preview",
          "MI300X tp4 latency": "preview",
          "MI300X tp4 throughput": "optimized",
          "MI300X tp8 *": "optimized",
        },
      },
    ],
  },
  {
    aimId: "openai/gpt-oss-20b",
    recipe: GPT_OSS,
    variants: [
      {
        precision: "fp4",
        modelId: "openai/gpt-oss-20b",
        weights: 14,
        counts: [1, 2, 4, 8],
        measured: {
          "MI300X tp1 *": "optimized",
          "MI300X tp2 *": "optimized",
          "MI300X tp4 *": "optimized",
          "MI300X tp8 throughput": "optimized",
        },
      },
    ],
  },
  {
    aimId: "openai/gpt-oss-120b",
    recipe: GPT_OSS,
    variants: [
      {
        precision: "fp4",
        modelId: "openai/gpt-oss-120b",
        weights: 65,
        counts: [1, 2, 4, 8],
        measured: {
          "MI300X tp1 *": "optimized",
          "MI300X tp2 *": "optimized",
          "MI300X tp4 *": "optimized",
          "MI300X tp8 *": "optimized",
        },
      },
    ],
  },
  {
    aimId: "deepseek-ai/DeepSeek-R1",
    recipe: DEEPSEEK,
    variants: [{ precision: "fp8", modelId: "deepseek-ai/DeepSeek-R1", weights: 689, counts: [4, 8] }],
  },
  {
    aimId: "deepseek-ai/DeepSeek-R1-0528",
    recipe: DEEPSEEK,
    variants: [
      { precision: "fp8", modelId: "deepseek-ai/DeepSeek-R1-0528", weights: 689, counts: [4, 8] },
      {
        precision: "fp4",
        modelId: "amd/DeepSeek-R1-0528-MXFP4-Preview",
        weights: 370,
        counts: [4, 8],
        gpus: FP4_GPUS,
      },
    ],
  },
];
