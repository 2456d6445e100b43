import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { aimInProcess } from "../cli/aim_in_process.ts";
import type { Ran } from "../cli/aim.ts";
import { makeTree } from "../gpu/fixtures.ts";

const LLAMA = "meta-llama/Llama-3.1-8B-Instruct";
const GPU = { id: 0x74a1, vram: 192, gfx: 90402 };
const GPUS = [0, 1].map((at) => ({ ...GPU, pci: `0000:c${at + 1}:00.0`, minor: 128 + at }));

/** A dry run on a host with two MI300X, offline. */
async function dryRun(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  await using tree = await makeTree(GPUS);
  return await aimInProcess(["dry-run", ...args], {
    cwd: "/",
    env: {
      PATH: "/nonexistent",
      HOME: "/dev/null/home",
      AIM_SYSFS_ROOT: tree.sys,
      AIM_DEV_ROOT: tree.dev,
      AIM_CACHE_PATH: "/nonexistent/cache",
      HF_HUB_OFFLINE: "1",
      ...env,
    },
  });
}

const script = (args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
  dryRun([LLAMA, "--format", "script", ...args], env);

Deno.test("the served names are the loaded quantised model, the requested model and the user's names", async () => {
  const { stdout } = await script(["--precision", "fp8"], {
    AIM_ENGINE_ARGS: '{"served-model-name": "mine"}',
  });
  assertStringIncludes(
    stdout,
    `--served-model-name amd/Llama-3.1-8B-Instruct-FP8-KV ${LLAMA} mine`,
  );
});

Deno.test("a port in the engine arguments causes a warning that names AIM_PORT; a model is exit 2", async () => {
  const port = await script([], { AIM_ENGINE_ARGS: '{"port": 9000}' });
  assertStringIncludes(port.stderr, "AIM_PORT");
  assertStringIncludes(port.stdout, "--port 8000");
  for (
    const [args, env] of [[["--", "--model", "x"], {}], [[], { AIM_ENGINE_ARGS: '{"model": "x"}' }]] as const
  ) {
    const model = await script(args, env);
    assertEquals([model.code, model.stdout], [2, ""]);
    assertStringIncludes(model.stderr, "AIM_MODEL_ID");
  }
});

Deno.test("merged parallel sizes that need more GPUs than the container has are exit 2 with both numbers", async () => {
  const { code, stderr } = await script(["--", "--tensor-parallel-size", "2", "-dp", "2"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "4 GPUs");
  assertStringIncludes(stderr, "has 2");
  const one = await script(["--", "-tp", "1"]);
  assertEquals(one.code, 0, one.stderr);
  assertStringIncludes(one.stdout, "export HIP_VISIBLE_DEVICES=0\n");
  const cuda = await script(["--", "-tp", "1"], { CUDA_VISIBLE_DEVICES: "1,0" });
  assertEquals([...cuda.stdout.matchAll(/^export (?:HIP|CUDA)_VISIBLE_DEVICES=(\S+)$/gm)].length, 2);
});

Deno.test("arguments are fitted to --engine-version, which must be a valid version", async () => {
  const swap = (version: string) => script(["--engine-version", version, "--", "--swap-space", "4"]);
  assertStringIncludes((await swap("0.17.1")).stdout, "--swap-space 4");
  const gone = await swap("0.27.1");
  assert(!gone.stdout.includes("swap-space"));
  assertStringIncludes(gone.stderr, "swap-space (removed in 0.18.0)");
  assertEquals((await swap("new")).code, 2);
});

Deno.test("secrets in arguments and profile are shown as variables in every format unless --show-secrets is given", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/custom/general`, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/custom/general/secret.yaml`,
    "metadata: {engine: vllm, accelerator_type: gpu, accelerator_model: MI300X, accelerator_count: 1, precision: fp16, metric: latency, type: general}\n" +
      "engine_args: {hf-token: hf-secret-one}\nenv_vars: {OPENAI_API_KEY: sk-secret-two}\n",
  );
  const env = {
    AIM_PROFILE_PATH: folder,
    AIM_PROFILE_ID: "custom/general/secret",
    AIM_ENGINE_ARGS:
      '{"api-key": "secret-three", "kv-transfer-config": {"kv_connector": "x", "password": "secret-four"}}',
    AIM_LOG_LEVEL: "DEBUG",
  };
  for (const format of ["yaml", "json", "script"]) {
    const hidden = await dryRun([LLAMA, "--format", format], env);
    assertEquals(hidden.code, 0, hidden.stderr);
    assert(!/secret-(one|two|three|four)/.test(hidden.stdout + hidden.stderr), hidden.stdout + hidden.stderr);
    assertStringIncludes(hidden.stdout, "$OPENAI_API_KEY");
    const shown = await dryRun([LLAMA, "--format", format, "--show-secrets"], env);
    for (const secret of ["one", "two", "three", "four"]) {
      assertStringIncludes(shown.stdout, `secret-${secret}`);
    }
  }
  await Deno.remove(folder, { recursive: true });
});
