// Compared with figures published by the models' makers and vLLM.
import { assert, assertEquals } from "@std/assert";
import { judgeFit, kvCacheBytes } from "../../src/fit/judge_fit.ts";
import { loadedBytes } from "../../src/fit/loaded_bytes.ts";
import { modelShape } from "../../src/fit/model_shape.ts";
import type { ConfigValue } from "../../src/values/value.ts";
import { numberLiteral } from "../../src/values/value.ts";

const GIB = 2 ** 30;

const LLAMA_8B = {
  hidden_size: 4096,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  max_position_embeddings: 131072,
  rope_scaling: { factor: 8, rope_type: "llama3", original_max_position_embeddings: 8192 },
  torch_dtype: "bfloat16",
};
const LLAMA_70B = { ...LLAMA_8B, hidden_size: 8192, num_attention_heads: 64, num_hidden_layers: 80 };
const LLAMA_405B = { ...LLAMA_8B, hidden_size: 16384, num_attention_heads: 128, num_hidden_layers: 126 };
const DEEPSEEK = {
  num_attention_heads: 128,
  num_hidden_layers: 61,
  num_key_value_heads: 128,
  kv_lora_rank: 512,
  qk_rope_head_dim: 64,
  max_position_embeddings: 163840,
  rope_scaling: { type: "yarn", factor: 40, original_max_position_embeddings: 4096 },
  torch_dtype: "bfloat16",
  quantization_config: { quant_method: "fp8" },
};
const QWEN_72B = {
  hidden_size: 8192,
  num_attention_heads: 64,
  num_hidden_layers: 80,
  num_key_value_heads: 8,
  max_position_embeddings: 32768,
  sliding_window: 131072,
  use_sliding_window: false,
  torch_dtype: "bfloat16",
};
const OPT_13B = { hidden_size: 5120, num_attention_heads: 40, num_hidden_layers: 40, torch_dtype: "float16" };
const MISTRAL_7B = {
  hidden_size: 4096,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  sliding_window: 4096,
  max_position_embeddings: 32768,
  torch_dtype: "bfloat16",
};
const GPT_OSS = {
  head_dim: 64,
  hidden_size: 2880,
  num_attention_heads: 64,
  num_hidden_layers: 36,
  num_key_value_heads: 8,
  sliding_window: 128,
  layer_types: Array.from({ length: 36 }, (_, i) => i % 2 === 0 ? "sliding_attention" : "full_attention"),
  max_position_embeddings: 131072,
  quantization_config: { quant_method: "mxfp4" },
};
const GEMMA_27B = {
  text_config: {
    head_dim: 128,
    hidden_size: 5376,
    model_type: "gemma3_text",
    num_attention_heads: 32,
    num_hidden_layers: 62,
    num_key_value_heads: 16,
    sliding_window: 1024,
    max_position_embeddings: 131072,
  },
  torch_dtype: "bfloat16",
};
const FALCON_7B = {
  hidden_size: 4544,
  num_attention_heads: 71,
  num_hidden_layers: 32,
  multi_query: true,
  torch_dtype: "bfloat16",
};
const PARAMS = { dim: 4096, n_layers: 32, head_dim: 128, n_heads: 32, n_kv_heads: 8 };

/** Bytes of one sequence at 16 bits, and the source. */
const PUBLISHED: readonly [model: string, config: unknown, tokens: number, bytes: number, source: string][] =
  [
    ["Llama 3.1 8B", LLAMA_8B, 128_000, 15.62 * GIB, "Hugging Face, Llama 3.1: memory of the KV cache, 128k"],
    ["Llama 3.1 8B", LLAMA_8B, 1024, 0.125 * GIB, "the same, 1k"],
    ["Llama 3.1 70B", LLAMA_70B, 128_000, 39.06 * GIB, "the same"],
    [
      "Llama 3.1 405B",
      LLAMA_405B,
      1,
      516_096,
      "DeepSeek, Insights into DeepSeek-V3, table 1: KV cache per token",
    ],
    ["DeepSeek V3 and R1", DEEPSEEK, 1, 70_272, "the same"],
    ["Qwen2.5 72B", QWEN_72B, 1, 327_680, "the same"],
    ["OPT 13B", OPT_13B, 1, 800 * 1024, "Kwon et al., PagedAttention: 800 KB per token"],
    ["OPT 13B", OPT_13B, 2048, 1.6 * GIB, "the same: up to 1.6 GB per request"],
    [
      "Mistral 7B",
      MISTRAL_7B,
      32_768,
      4096 * 131_072,
      "Jiang et al., Mistral 7B: 8 times less at 32k tokens, by its window",
    ],
    ["Mistral 7B (params.json)", PARAMS, 1, 131_072, "the same shape"],
    [
      "gpt-oss-120b",
      GPT_OSS,
      131_072,
      (18 * 131_072 + 18 * 128) * 2048,
      "OpenAI, model card: alternating windows of 128 tokens",
    ],
    [
      "Gemma 3 27B",
      GEMMA_27B,
      131_072,
      (10 * 131_072 + 52 * 1024) * 8192,
      "Google, Gemma 3: five local layers of 1024 tokens to each global one",
    ],
    ["Falcon 7B", FALCON_7B, 1, 2 * 32 * 64 * 2, "TII: one head for keys and values"],
  ];

Deno.test("the KV cache of a sequence has the published size", async (t) => {
  for (const [model, config, tokens, bytes, source] of PUBLISHED) {
    await t.step(`${model}, ${tokens} tokens (${source})`, () => {
      const shape = modelShape(config);
      assert(shape !== null);
      const share = kvCacheBytes(shape, tokens, 2) / bytes;
      assert(share > 0.97 && share < 1.03, String(share));
    });
  }
});

/** `total_size` of the models' indexes, and the fewest GPUs that their makers or AMD serve them on. */
const SERVED: readonly [model: string, config: unknown, totalSize: number, vram: number, count: number][] = [
  ["Llama 3.1 8B on an MI300X", LLAMA_8B, 16_060_522_496, 192, 1],
  ["Llama 3.1 8B on an MI210", { ...LLAMA_8B, max_position_embeddings: 8192 }, 16_060_522_496, 64, 1],
  [
    "Llama 3.1 70B on an MI300X (AMD: fits one MI300X at 16 bits)",
    { ...LLAMA_70B, max_position_embeddings: 8192 },
    141_107_412_992,
    192,
    1,
  ],
  ["Llama 3.1 70B on MI250X", { ...LLAMA_70B, max_position_embeddings: 8192 }, 141_107_412_992, 64, 4],
  ["Llama 3.1 405B on MI300X (AMD: 8 GPUs at 16 bits)", LLAMA_405B, 811_706_777_600, 192, 8],
  ["DeepSeek R1 on MI325X", DEEPSEEK, 688_586_727_753, 256, 4],
  ["gpt-oss-120b on an MI300X (OpenAI: fits one 80 GB GPU)", GPT_OSS, 60.8 * GIB, 192, 1],
  ["gpt-oss-120b on one 80 GB GPU", GPT_OSS, 60.8 * GIB, 80, 1],
  ["Qwen2.5 72B on MI210", QWEN_72B, 145_412_407_296, 64, 4],
];

Deno.test("the smallest GPU count is the one the model is served on in practice", async (t) => {
  for (const [model, config, weightBytes, vram, count] of SERVED) {
    await t.step(model, () => {
      const fit = judgeFit({
        weightBytes,
        shape: modelShape(config),
        args: new Map(),
        vramBytes: vram * GIB,
      });
      assertEquals(fit.smallestCount, count, JSON.stringify(fit));
      assertEquals(fit.state === "fits", count === 1);
    });
  }
});

Deno.test("vLLM's arguments determine memory, in any spelling", () => {
  const shape = modelShape(LLAMA_8B);
  const fit = (args: Record<string, ConfigValue>, weightBytes = 16_060_522_496, vram = 24) =>
    judgeFit({
      weightBytes,
      shape,
      args: new Map(Object.entries(args)),
      vramBytes: vram * GIB,
    });
  const [plain, short, dense, fp8] = [
    fit({}),
    fit({ "max-model-len": numberLiteral(8192) }),
    fit({ max_model_len: "32K", gpu_memory_utilization: numberLiteral(0.95) }),
    fit({ "kv-cache-dtype": "fp8" }),
  ];
  // 21.6 GiB are usable, of which weights take 15.
  assertEquals([plain.state, short.state, dense.state], ["kv", "fits", "fits"]);
  assertEquals(plain.tokens, 131_072);
  assertEquals(plain.tokensThatFit, 54_415);
  assertEquals(fp8.kvBytes, (plain.kvBytes ?? 0) / 2);
  const split = fit({ "tensor-parallel-size": numberLiteral(2) });
  assertEquals([split.state, split.weightBytes, split.kvBytes, split.gpus], [
    "fits",
    plain.weightBytes / 2,
    (plain.kvBytes ?? 0) / 2,
    2,
  ]);
  // With 8 heads on 16 GPUs, each GPU keeps one.
  assertEquals(fit({ "tensor-parallel-size": "16" }).kvBytes, (plain.kvBytes ?? 0) / 8);
  assertEquals(fit({ quantization: "fp8" }).modelBytes, 16_060_522_496 / 2);
  assertEquals(fit({ dtype: "float32" }).modelBytes, 16_060_522_496 * 2);
  assertEquals(
    fit({ "pipeline-parallel-size": numberLiteral(2), "data-parallel-size": numberLiteral(2) }).gpus,
    4,
  );
  // Already quantised weights are loaded unchanged.
  const deepseek = judgeFit({
    weightBytes: 688_586_727_753,
    shape: modelShape(DEEPSEEK),
    args: new Map([["dtype", "float16"]]),
    vramBytes: 192 * GIB,
  });
  assertEquals([deepseek.state, deepseek.modelBytes, deepseek.tokens], ["weights", 688_586_727_753, 163_840]);
  assertEquals(deepseek.smallestCount, 4);
});

Deno.test("with an incomplete configuration, only the weights are compared", () => {
  for (
    const config of [null, [], "x", {}, { num_hidden_layers: 2 }, { num_hidden_layers: -1, hidden_size: "x" }]
  ) {
    assertEquals(modelShape(config), null);
  }
  const fit = judgeFit({
    weightBytes: 100 * GIB,
    shape: null,
    args: new Map(),
    vramBytes: 64 * GIB,
  });
  assertEquals([fit.state, fit.kvBytes, fit.tokensThatFit, fit.smallestCount], ["weights", null, null, 2]);
});

Deno.test("only weights that an engine loads are counted", () => {
  const bytes = (files: Record<string, number>) => loadedBytes(new Map(Object.entries(files)));
  assertEquals(
    bytes({
      "model.safetensors": 5,
      "pytorch_model.bin": 5,
      "original/consolidated.00.pth": 5,
      "config.json": 1,
    }),
    5,
  );
  assertEquals(
    bytes({ "consolidated.safetensors": 4, "model-1.safetensors": 2, "model-2.safetensors": 3 }),
    5,
  );
  assertEquals(
    bytes({ "m-Q4_K_M.gguf": 3, "m-Q8_0-00001-of-00002.gguf": 4, "m-Q8_0-00002-of-00002.gguf": 4 }),
    8,
  );
  assertEquals(bytes({ "unet/a.safetensors": 3, "vae/b.safetensors": 4 }), 7);
  assertEquals(bytes({ "config.json": 3 }), null);
});
