import { assertEquals, assertThrows } from "@std/assert";
import { buildCommand, mergeEngineArgs } from "../../src/engine/engine_args.ts";
import { engineNamed } from "../../src/engine/engines.ts";
import { argsOf } from "./args_of.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { judge } from "../../src/profiles/judge.ts";
import { loadProfiles } from "../../src/profiles/load_profiles.ts";
import { engineArgsOf } from "../../src/profiles/profile_content.ts";
import type { Criteria } from "../../src/profiles/types.ts";
import { selectProfile } from "../../src/profiles/select_profile.ts";
import { referenceProfiles } from "../profiles/reference.ts";

const reference = referenceProfiles();
const engine = await engineNamed("vllm", "/none");

Deno.test({
  name: "the published profile of Llama 3.1 8B on one MI300X gives the published command line" +
    (reference === null ? " (skipped: AMD's published profiles are missing)" : ""),
  ignore: reference === null,
  fn: async () => {
    const aimId = "meta-llama/Llama-3.1-8B-Instruct";
    const { profiles } = await loadProfiles({ profilePath: reference ?? "", embeddedProfiles: false }, aimId);
    const criteria: Criteria = {
      engine: "vllm",
      metric: "latency",
      model: aimId,
      accelerator: {
        type: "gpu",
        model: "MI300X",
        available: 1,
        requested: 1,
        partitioned: false,
        named: false,
      },
      precision: "auto",
      generalFallback: true,
    };
    const selection = selectProfile(judge(profiles, criteria), criteria, { profileId: null });
    if (selection.kind !== "selected") throw new Error(selection.kind);
    const { profile } = selection.judged;
    assertEquals(profile.id, "vllm-mi300x-fp8-tp1-latency");
    const modelId = profile.modelId ?? "";
    const { args } = mergeEngineArgs([{ kind: "profile", name: profile.id, args: engineArgsOf(profile) }], {
      port: 8000,
      servedModelNames: [modelId, aimId],
      models: [modelId],
    });
    assertEquals(
      buildCommand({ ...engine, program: "python3" }, modelId, args).join(" "),
      "python3 -m vllm.entrypoints.openai.api_server --model amd/Llama-3.1-8B-Instruct-FP8-KV --async-scheduling " +
        "--disable-uvicorn-access-log --distributed-executor-backend mp --gpu-memory-utilization 0.9 --kv-cache-dtype fp8 " +
        "--max-model-len 32768 --max-num-batched-tokens 1024 --max-num-seqs 512 --max-seq-len-to-capture 32768 " +
        "--no-enable-log-requests --no-enable-prefix-caching --no-trust-remote-code --swap-space 64 " +
        "--tensor-parallel-size 1 --port 8000 --served-model-name amd/Llama-3.1-8B-Instruct-FP8-KV " +
        "meta-llama/Llama-3.1-8B-Instruct",
    );
  },
});

Deno.test("a word of the command line that contains NUL is refused", () => {
  const args = argsOf('{"chat-template": "a\\u0000b"}');
  const error = assertThrows(() => buildCommand({ ...engine, program: "python3" }, "m", args), AimError);
  assertEquals(error.exitCode, 2);
});
