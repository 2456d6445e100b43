import { assertEquals, assertStringIncludes } from "@std/assert";
import { compareVersions, type EngineVersion, parseVersion } from "../../src/engine/engine_version.ts";
import { renderArgs } from "../../src/engine/engine_args.ts";
import { fitToVllm } from "../../src/engine/fit_to_vllm.ts";
import { argsOf } from "./args_of.ts";

function version(text: string): EngineVersion {
  const parsed = parseVersion(text);
  if (parsed === null) throw new TypeError(text);
  return parsed;
}

function fit(json: string, text: string | null) {
  const source = { kind: "user" as const, name: "AIM_ENGINE_ARGS", args: argsOf(json) };
  const { args, warnings, faults } = fitToVllm(
    [source],
    { port: 8000, servedModelNames: [], models: [] },
    new Map(),
    text === null ? null : version(text),
  );
  const words = renderArgs(args).slice(0, -2).join(" ");
  return { words, warnings, faults: faults.map(({ given }) => given?.name) };
}

/** Arguments, version, the command line, and the number of warnings. */
const FITTED = [
  ['{"swap-space": 64, "max-num-seqs": 8}', "0.17.1", "--swap-space 64 --max-num-seqs 8", 0],
  ['{"swap-space": 64, "max-num-seqs": 8}', "0.18.0", "--max-num-seqs 8", 1],
  ['{"swap-space": 64, "max-seq-len-to-capture": 8}', "0.27.1", "", 1],
  ['{"swap-space": 4.5}', "0.11.0", "--swap-space 4.5", 0],
  ['{"max-model-len": "32k"}', "0.9.0", "--max-model-len 32k", 0],
  ['{"max-model-len": "auto"}', "0.27.1", "--max-model-len auto", 0],
  [
    '{"load-format": "fastsafetensors", "block-size": 256}',
    "0.27.1",
    "--load-format fastsafetensors --block-size 256",
    0,
  ],
  ['{"kv-cache-dtype": "fp8_ds_mla"}', "0.11.2", "--kv-cache-dtype fp8_ds_mla", 0],
  ['{"compilation-config": 3}', "0.9.1", "--compilation-config 3", 0],
  ['{"compilation-config": 3}', "0.10.2", "--compilation-config.level 3", 1],
  ['{"compilation-config": 3}', "0.27.1", "--compilation-config.mode 3", 1],
  ['{"compilation-config": {"level": 3}}', "0.27.1", '--compilation-config {"mode": 3}', 1],
  ['{"compilation-config": "{\\"mode\\": 3}"}', "0.27.1", '--compilation-config {"mode": 3}', 0],
  ['{"O3": null, "tp": 2}', "0.27.1", "-O3 --tensor-parallel-size 2", 0],
  ['{"compilation-config.cudagraph_mode": "NONE"}', "0.27.1", "--compilation-config.cudagraph_mode NONE", 0],
  ['{"disable-log-requests": true}', "0.27.1", "--no-enable-log-requests", 1],
  ['{"no-enable-log-requests": true}', "0.9.2", "--disable-log-requests", 1],
  ['{"guided-decoding-backend": "xgrammar"}', "0.27.1", "--structured-outputs-config.backend xgrammar", 1],
  ['{"num-redundant-experts": 2}', "0.27.1", "--eplb-config.num_redundant_experts 2", 1],
  ['{"max-modellen": 5}', "0.27.1", "--max-modellen 5", 1],
  ['{"allowed-origins": ["*"]}', "0.27.1", '--allowed-origins ["*"]', 0],
  ['{"attention-backend": "TRITON"}', "0.11.0", "", 1],
  ['{"enable-prefix-caching": false}', "0.27.1", "", 0],
  ['{"lora-modules": ["a=/a", "b=/b"]}', "0.27.1", "--lora-modules a=/a b=/b", 0],
  ['{"speculative-config": {"method": "ngram"}}', null, '--speculative-config {"method": "ngram"}', 0],
] as const;

Deno.test("arguments are adapted to the installed version", () => {
  for (const [json, text, words, warnings] of FITTED) {
    const fitted = fit(json, text);
    assertEquals(
      [fitted.words, fitted.warnings.length, fitted.faults],
      [words, warnings, []],
      `${json} for ${text}`,
    );
  }
});

/** Arguments, version, and the refused argument in the user's spelling. */
const REFUSED = [
  ['{"--max-model-len": 1}', "0.27.1", "--max-model-len"],
  ['{"": 1}', "0.27.1", ""],
  ['{"max model len": 1}', "0.27.1", "max model len"],
  ['{"max-model-len": 8192.0}', "0.27.1", "max-model-len"],
  ['{"max-model-len": 8192.0}', null, "max-model-len"],
  ['{"max-model-len": null}', "0.27.1", "max-model-len"],
  ['{"max-model-len": "auto"}', "0.11.0", "max-model-len"],
  ['{"kv-cache-dtype": "fp9"}', "0.10.0", "kv-cache-dtype"],
  ['{"tensor-parallel-size": [1, 2]}', "0.27.1", "tensor-parallel-size"],
  ['{"enforce-eager": "yes"}', "0.27.1", "enforce-eager"],
  ['{"speculative-config": "ngram"}', "0.27.1", "speculative-config"],
  ['{"uvicorn-log-level": "loud"}', null, "uvicorn-log-level"],
  ['{"tp": "two"}', "0.27.1", "tp"],
  ['{"max_num_seqs": "two"}', "0.27.1", "max_num_seqs"],
] as const;

Deno.test("an argument that the engine would refuse is reported by name", () => {
  for (const [json, text, name] of REFUSED) {
    assertEquals(fit(json, text).faults, [name], `${json} for ${text}`);
  }
});

Deno.test("a value that some release accepts is not an error if the version is uncertain", () => {
  for (const text of [null, "0.99.0", "0.11.1.dev5"]) {
    const { words, faults } = fit('{"kv-cache-dtype": "fp8_ds_mla", "max-model-len": "auto"}', text);
    assertEquals(faults, []);
    assertStringIncludes(words, "--max-model-len auto");
  }
});

Deno.test("a development build may have arguments of the releases before and after it", () => {
  // 0.11.1 has --task, 0.13.0 has not; 0.12.0.dev is between them.
  assertEquals(fit('{"task": "generate"}', "0.11.2.dev673+g839868462.rocm700").words, "--task generate");
  assertEquals(fit('{"max-seq-len-to-capture": 5}', "0.11.2.dev673+g839868462.rocm700").words, "");
});

Deno.test("an unknown argument causes a warning with the nearest known name", () => {
  assertStringIncludes(fit('{"max-modellen": 5}', "0.27.1").warnings.join(), "max-model-len");
});

Deno.test("a profile's variables are renamed for the version, and ones that it does not read are omitted", () => {
  const given = new Map([
    ["HSA_NO_SCRATCH_RECLAIM", "1"],
    ["VLLM_USE_AITER_TRITON_ROPE", "1"],
    ["VLLM_USE_V1", "1"],
    ["VLLM_ROCM_USE_AITER", "1"],
    ["VLLM_ROCM_USE_AITR", "1"],
  ]);
  const system = { port: 8000, servedModelNames: [], models: [] };
  const { variables, warnings } = fitToVllm([], system, given, version("0.27.1"));
  assertEquals([...variables.keys()], [
    "HSA_NO_SCRATCH_RECLAIM",
    "VLLM_ROCM_USE_AITER_TRITON_ROPE",
    "VLLM_ROCM_USE_AITER",
    "VLLM_ROCM_USE_AITR",
  ]);
  assertEquals(warnings.length, 2);
  assertEquals(fitToVllm([], system, given, version("0.10.0")).variables.has("VLLM_USE_V1"), true);
});

Deno.test("versions are sorted as Python sorts them", () => {
  const ordered = [
    "0.9.0",
    "0.9.0.1",
    "0.11.2.dev673+g839868462.rocm700",
    "0.11.2",
    "0.11.2.post1",
    "0.27.1+cpu",
    "1.0",
  ];
  assertEquals(ordered.map(version).sort(compareVersions).map(({ text }) => text), ordered);
  assertEquals(["", "x", "1..2"].map(parseVersion), [null, null, null]);
});
