import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { parse } from "yaml";
import { aim } from "../cli/aim.ts";
import { SEEDS } from "../values/mutate.ts";

const [MODEL_PROFILE = "", GENERAL_PROFILE = ""] = SEEDS;
const LLAMA = "meta-llama/Llama-3.1-8B-Instruct";

async function withFolder(test: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "aim-profiles-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("profiles validate reports every fault with file, line and column, and exits with 2", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "sub/general"), { recursive: true });
    const write = (name: string, text: string) => Deno.writeTextFile(join(folder, name), text);
    await write("good.yaml", MODEL_PROFILE);
    await write(
      "two.yaml",
      MODEL_PROFILE.replace("gpu_count: 1", "gpu_count: -1").replace("metric: latency", "metric: latencies"),
    );
    await write("sub/twice.yml", MODEL_PROFILE.replace("env_vars:", "env_vars:\n  GPU_ARCHS: gfx942"));
    await write("sub/general/good.yaml", GENERAL_PROFILE);
    await write("sub/general/model.yaml", MODEL_PROFILE);
    await write("sub/loose.yaml", GENERAL_PROFILE);
    const { code, stdout } = await aim(["profiles", "validate", folder]);
    assertEquals(code, 2);
    const lines = stdout.trimEnd().split("\n").map((line) => line.replace(`${folder}/`, ""));
    assertEquals(lines.slice(0, -1).map((line) => line.split(": ", 1)[0]), [
      "two.yaml:7:14",
      "two.yaml:9:11",
      "sub/general/model.yaml:2:1",
      "sub/twice.yml:22:3",
    ]);
    assertEquals(lines.map((line) => line.includes(": warning: ")), [false, false, true, true, false]);
    assertStringIncludes(stdout, "metadata.gpu_count is -1; it must be at least 0");
    assertStringIncludes(
      stdout,
      '"latencies"; it must be one of latency, throughput (did you mean latency?)',
    );
    assertStringIncludes(stdout, '"GPU_ARCHS" appears twice');
    assertEquals(lines.at(-1), "6 files, 2 faults in 1 file");
    const json = await aim(["profiles", "validate", "--format", "json", join(folder, "two.yaml")]);
    assertEquals(json.code, 2);
    assertEquals(JSON.parse(json.stdout).faults.map((f: { line: number }) => f.line), [7, 9]);
    const twice = await aim(["profiles", "validate", join(folder, "sub/twice.yml")]);
    assertEquals([twice.code, twice.stdout.trimEnd().split("\n").at(-1)], [
      0,
      "1 file, no faults, 1 warning",
    ]);
    assertEquals((await aim(["profiles", "validate", "--strict", join(folder, "sub/twice.yml")])).code, 2);
  });
});

Deno.test("profiles validate rejects a missing path and a folder without profiles", async () => {
  await withFolder(async (folder) => {
    for (const path of [join(folder, "missing"), folder]) {
      const { code, stdout, stderr } = await aim(["profiles", "validate", path]);
      assertEquals([code, stdout], [2, ""]);
      assertStringIncludes(stderr, path);
    }
  });
});

Deno.test("list-profiles shows whether and why each profile fits, and which would be served", async () => {
  const { code, stdout } = await aim(["list-profiles"], {
    env: { AIM_MODEL_ID: LLAMA, AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1" },
  });
  assertEquals(code, 0);
  assertMatch(stdout, /^\* +vllm-mi300x-fp8-tp1-latency .* compatible +model profile, fp8, optimized$/m);
  assertMatch(stdout, /^ +vllm-mi300x-fp8-tp2-latency .* accelerator_mismatch +uses 2 GPUs; 1 requested$/m);
  assertMatch(stdout, /^ +vllm-mi300x-fp8-tp1-throughput .* metric_mismatch +is tuned for throughput/m);
  assertStringIncludes(stdout, "1 x MI300X, set by AIM_GPU_MODEL");
  assertStringIncludes(stdout, "* vllm-mi300x-fp8-tp1-latency would be served");
  assert(!stdout.includes("\x1b["), "no colour in a pipe");
});

/** An entry of the JSON list. */
interface Listed {
  readonly profile_id: string;
  readonly compatibility: string;
  readonly profile: {
    readonly model_id: string | null;
    readonly engine_args: Readonly<Record<string, unknown>>;
  };
  readonly priority: number;
  readonly selected: boolean;
  readonly reason: string | null;
}

async function listed(args: readonly string[], env: Record<string, string>): Promise<readonly Listed[]> {
  const { code, stdout } = await aim(["list-profiles", "--format", "json", ...args], { env });
  assertEquals(code, 0);
  return JSON.parse(stdout);
}

Deno.test("list-profiles in JSON and YAML is sorted like AMD's: by state, priority and id", async () => {
  const env = { AIM_ID: LLAMA, AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1", AIM_PRECISION: "fp16" };
  const all = await listed([], env);
  assertEquals(all.filter((one) => one.selected).map((one) => one.profile_id), [
    "vllm-mi300x-fp16-tp1-latency",
  ]);
  const order = [
    "compatible",
    "accelerator_mismatch",
    "precision_mismatch",
    "model_mismatch",
    "engine_mismatch",
    "metric_mismatch",
  ];
  const keys = all.map((one) => [order.indexOf(one.compatibility), one.priority, one.profile_id] as const);
  assertEquals(keys, keys.toSorted((a, b) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1)));
  assertEquals(all[0]?.profile.engine_args["tensor-parallel-size"], 1);
  const yaml = await aim(["list-profiles", "--format", "yaml"], { env });
  assertEquals(parse(yaml.stdout, { version: "1.1" }), JSON.parse(JSON.stringify(all)));
});

Deno.test("list-profiles filters by state, with AMD's names and aim's", async () => {
  const env = { AIM_ID: LLAMA, AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1" };
  const ours = await listed(["--state", "gpu_mismatch"], env);
  assert(ours.length > 0 && ours.every((one) => one.compatibility === "accelerator_mismatch" && one.reason));
  assertEquals(await listed(["--state", "accelerator_mismatch"], env), ours);
  assert((await listed(["--state", "all"], env)).length > ours.length);
});

Deno.test("list-profiles describes the nearest miss if nothing fits", async () => {
  const { code, stdout } = await aim(["list-profiles", "--general-fallback=false"], {
    env: { AIM_ID: "CohereLabs/command-a-reasoning-08-2025", AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1" },
  });
  assertEquals(code, 0);
  assertStringIncludes(stdout, "nearest is vllm-mi300x-fp16-tp2-latency: it uses 2 GPUs; 1 requested;");
  assertStringIncludes(stdout, "set AIM_ACCELERATOR_COUNT=2");
});

Deno.test("list-profiles --skip-compatibility-check detects no GPU and judges no profile", async () => {
  const all = await listed(["--skip-compatibility-check"], { AIM_ID: LLAMA });
  assert(all.length > 0);
  for (const one of all) {
    assertEquals([one.compatibility, one.reason, one.selected], ["unknown", null, false]);
  }
});

Deno.test("list-profiles skips an invalid file with a warning that gives file, line and column", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "general"));
    await Deno.writeTextFile(join(folder, "general/bad.yaml"), GENERAL_PROFILE.replace("fp16", "fp17"));
    await Deno.writeTextFile(join(folder, "general/good.yaml"), GENERAL_PROFILE);
    const { code, stdout, stderr } = await aim(["list-profiles", "--format", "text"], {
      env: {
        AIM_MODEL_ID: "any/model",
        AIM_GPU_MODEL: "MI325X",
        AIM_PROFILE_PATH: folder,
        AIM_EMBEDDED_PROFILES: "false",
      },
    });
    assertEquals(code, 0);
    assertStringIncludes(stdout, "general/good");
    assert(!stdout.includes("general/bad"));
    assertStringIncludes(stderr, `${folder}/general/bad.yaml:7:16: metadata.precision is "fp17"`);
  });
});

Deno.test("AIM_PROFILE_ID finds a custom profile of another base model, mounted as a ConfigMap", async () => {
  await withFolder(async (folder) => {
    const data = join(folder, "custom/acme/base-model/..2026_11_26");
    await Deno.mkdir(data, { recursive: true });
    const text = MODEL_PROFILE.replace("aim_id: org/model", "aim_id: acme/base-model")
      .replace("model_id: other/model-FP8", "model_id: team/tuned");
    await Deno.writeTextFile(join(data, "vllm-mi300x-fp8-tp1-latency.yaml"), text);
    await Deno.symlink("..2026_11_26", join(data, "../..data"));
    await Deno.symlink(
      "..data/vllm-mi300x-fp8-tp1-latency.yaml",
      join(data, "../vllm-mi300x-fp8-tp1-latency.yaml"),
    );
    // Like the operator's pods: an empty AIM_ID and no GPU model.
    const { code, stdout } = await aim(["dry-run", "--format", "json", "--offline"], {
      env: {
        ...{ AIM_PROFILE_PATH: folder, AIM_ID: "", AIM_MODEL_ID: "team/tuned" },
        AIM_PROFILE_ID: "custom/acme/base-model/vllm-mi300x-fp8-tp1-latency",
        ...{ AIM_SYSFS_ROOT: "/nonexistent", AIM_AMD_SMI: "/nonexistent" },
      },
    });
    assertEquals(code, 0);
    const [{ filename, profile, models }] = JSON.parse(stdout);
    assertEquals([filename, profile.aim_id], ["vllm-mi300x-fp8-tp1-latency.yaml", "acme/base-model"]);
    assertEquals(models.map((one: { source: string }) => one.source), ["hf://team/tuned"]);
    // Both the old and the new names, whichever the file uses.
    const { accelerator_model, accelerator_count, gpu, gpu_count } = profile.metadata;
    assertEquals([accelerator_model, accelerator_count, gpu, gpu_count], ["MI300X", 1, "MI300X", 1]);
  });
});

Deno.test("a model on a CPU gets the general CPU profile, with one thread per core", async () => {
  const { code, stdout } = await aim(["dry-run", "--format", "json", "--offline"], {
    env: { AIM_MODEL_ID: "any/model", AIM_ACCELERATOR_TYPE: "cpu", AIM_ACCELERATOR_FAMILY: "cpu" },
  });
  assertEquals(code, 0);
  const [{ filename, profile, env }] = JSON.parse(stdout);
  assertEquals(filename, "vllm-cpu-bf16-tp1-latency.yaml");
  assertMatch(env.OMP_NUM_THREADS, /^[1-9]\d*$/);
  assertEquals([env.VLLM_CPU_OMP_THREADS_BIND, profile.env_vars], [
    "auto",
    { ...profile.env_vars, OMP_NUM_THREADS: env.OMP_NUM_THREADS },
  ]);
});
