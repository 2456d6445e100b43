import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import { makeTree } from "../gpu/fixtures.ts";
import { aim, type Ran } from "./aim.ts";
import { startWorld, type World } from "./world.ts";

const MI300X = { id: 0x74a1, pci: "0000:c1:00.0", minor: 128, vram: 192, gfx: 90402 };

function dryRun(world: World, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return aim(["dry-run", "org/model", ...args], {
    cwd: world.directory,
    env: { ...world.env, AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1", ...env },
  });
}

/** The single object in the list that dry-run prints, and the comments above it. */
function read({ stdout }: Ran): { readonly remarks: string; readonly value: Record<string, unknown> } {
  const list: unknown = parse(stdout, { version: "1.1" });
  assert(Array.isArray(list) && list.length === 1);
  return { remarks: stdout.split("\n").filter((line) => line.startsWith("#")).join("\n"), value: list[0] };
}

Deno.test("a dry run explains the profile, why the runners-up lost, and what serve would download and where", async () => {
  await using world = await startWorld();
  const ran = await dryRun(world, []);
  assertEquals(ran.code, 0, ran.stderr);
  const { remarks, value } = read(ran);
  const ids = [...remarks.matchAll(/general\/vllm-\S+(?=:)/g)].map(([id]) => id);
  assertEquals(new Set(ids).size, 3, `the selected profile and two others: ${remarks}`);
  assertStringIncludes(remarks, "not in the cache");
  assertStringIncludes(remarks, "68.4 KiB in 2 files from hf://org/model");
  assertStringIncludes(remarks, `${world.directory}/cache/hub/models--org--model`);
  assertEquals(Object.keys(value), ["filename", "path", "profile", "models", "script"]);
  assert(!ran.stdout.includes("HF_HUB_OFFLINE=1"), "the engine cannot download the model");
});

Deno.test("on a CPU, the selected profile is not also listed as a runner-up", async () => {
  await using world = await startWorld();
  const env = { AIM_GPU_MODEL: "", AIM_GPU_COUNT: "", AIM_ACCELERATOR_TYPE: "cpu" };
  const [json] = JSON.parse((await dryRun(world, ["--json"], env)).stdout);
  const next = json.explanation.runnersUp.map(({ profileId }: { profileId: string }) => profileId);
  assertEquals(next.includes(`general/${json.filename.replace(".yaml", "")}`), false, next.join());
});

Deno.test("if the model is in the Hugging Face cache, the script names it and sets HF_HUB_OFFLINE", async () => {
  await using world = await startWorld();
  assertEquals((await aim(["pull", "org/model", "--use-hf-cache"], { env: { ...world.env } })).code, 0);
  const ran = await dryRun(world, []);
  const { remarks, value } = read(ran);
  assertStringIncludes(remarks, `found in ${world.directory}/cache/hub/models--org--model/snapshots/`);
  assertStringIncludes(String(value.script), "export HF_HUB_OFFLINE=1");
  assertStringIncludes(String(value.script), "--model org/model");
  const script = await dryRun(world, ["--format", "script"]);
  assertEquals(script.stdout, value.script);
  const [json] = JSON.parse((await dryRun(world, ["--json"])).stdout);
  assertEquals([json.script, json.explanation.download], [value.script, null]);
});

Deno.test("with GPUs that this user cannot open, a dry run shows their profile and the missing group, but no script", async () => {
  await using world = await startWorld();
  await using tree = await makeTree([{ ...MI300X }], { closed: [128] });
  // The group of the device node, as on a real host; only root can set it.
  const root = Deno.uid() === 0;
  if (root) await Deno.chown(`${tree.dev}/dri/renderD128`, 0, 109);
  const env = { AIM_GPU_MODEL: "", AIM_GPU_COUNT: "", AIM_SYSFS_ROOT: tree.sys, AIM_DEV_ROOT: tree.dev };
  const ran = await dryRun(world, [], env);
  assertEquals(ran.code, 3);
  const { remarks, value } = read(ran);
  assertStringIncludes(remarks, "mi300x");
  assertEquals([value.script, /^#!/m.test(ran.stdout)], [undefined, false]);
  assertStringIncludes(ran.stdout, "--model org/model");
  assertStringIncludes(ran.stderr, "1 x MI300X");
  if (root) assertStringIncludes(ran.stderr, "--group-add 109");
  const json = await dryRun(world, ["--json"], env);
  assertEquals([json.code, json.stdout], [3, "[]\n"]);
});

Deno.test("a JSON dry run that fails at any step prints an empty list and a JSON error", async () => {
  await using world = await startWorld();
  const cases: readonly (readonly [string[], Record<string, string>, number])[] = [
    [["--json", "--precison", "fp8"], {}, 2],
    [["--format=json"], { AIM_PORT: "x" }, 2],
    [["--format", "json", "--precision", "int4"], {}, 3],
  ];
  for (const [args, env, code] of cases) {
    const ran = await dryRun(world, args, env);
    assertEquals([ran.code, ran.stdout], [code, "[]\n"]);
    assertEquals(JSON.parse(ran.stderr.trimEnd().split("\n").at(-1) ?? "").exitCode, code);
  }
});

Deno.test("several models are downloaded in one run with one total; its dry run writes nothing", async () => {
  await using world = await startWorld();
  const models = ["org/model", "s3://models/org/llama-7b"];
  const run = (args: readonly string[]) =>
    aim(["pull", ...models, "--json", ...args], { env: { ...world.env } });
  const preview = JSON.parse((await run(["--dry-run"])).stdout);
  assertEquals(preview.models.map((one: { bytesPresent: number }) => one.bytesPresent), [0, 0]);
  assertEquals([...Deno.readDirSync(world.directory)].some(({ name }) => name === "cache"), false);
  const wrong = await aim(["pull", ...models, "org/none"], { env: { ...world.env } });
  assertEquals([wrong.code, wrong.stdout], [5, ""]);
  assertEquals([...Deno.readDirSync(world.directory)].some(({ name }) => name === "cache"), false);
  const ran = await run([]);
  const done = JSON.parse(ran.stdout);
  const lines = ran.stderr.split("\n");
  const at = (...words: string[]) => lines.findIndex((line) => words.every((word) => line.includes(word)));
  const [before, first, last] = [
    at("2 models, 137 KiB", "to download"),
    at("1 of 2"),
    at("2 models", " in "),
  ];
  assert(0 <= before && before < first && first < last, ran.stderr);
  assertEquals(done.models.map((one: { model: string }) => one.model), ["org/model", "org/llama-7b"]);
  assertEquals([done.bytes, done.bytesMoved], [2 * preview.models[0].bytes, done.bytes]);
  const after = JSON.parse((await run(["--dry-run"])).stdout);
  for (const one of after.models) assertEquals([one.bytesPresent, one.files.length], [one.bytes, 2]);
  const all = await aim(["pull", "--all-profiles", "--dry-run", "--json"], {
    env: {
      ...world.env,
      AIM_ID: "meta-llama/Llama-3.1-8B-Instruct",
      AIM_GPU_MODEL: "MI300X",
      AIM_GPU_COUNT: "1",
    },
  });
  assertEquals(JSON.parse(all.stdout).models.map((one: { model: string }) => one.model).sort(), [
    "amd/Llama-3.1-8B-Instruct-FP8-KV",
    "meta-llama/Llama-3.1-8B-Instruct",
  ]);
});

Deno.test("AIM_DEBUG logs settings and their origin, hardware, search paths, and each request with status and time", async () => {
  await using world = await startWorld();
  const { stderr } = await dryRun(world, [], {
    AIM_DEBUG: "true",
    HF_TOKEN: "hf_allowedtoken0001",
    AIM_ENGINE_ARGS: '{"max-model-len": 512, "api-key": "planted-key-77"}',
    AIM_LOG_FORMAT: "json",
  });
  const lines: Record<string, unknown>[] = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  const line = (start: string) =>
    lines.filter(({ message }) =>
      message === start || (start.endsWith(" ") && String(message).startsWith(start))
    );
  assertEquals(line("setting AIM_CACHE_PATH").map(({ value, from }) => [value, from]), [
    [`${world.directory}/cache`, "environment"],
  ]);
  assertEquals(line("setting AIM_METRIC").map(({ from }) => from), ["default"]);
  assertEquals(line("setting HF_TOKEN").map(({ value }) => value), ["***"]);
  assertEquals(line("setting AIM_ENGINE_ARGS").map(({ value }) => value), [
    { "max-model-len": 512, "api-key": "$API_KEY" },
  ]);
  assertEquals(line("hardware").map(({ source }) => source), ["override"]);
  assertEquals(line("place ").length, 2);
  const requests = line("request");
  assert(
    requests.length > 0 && requests.every(({ status, ms }) => typeof status === "number" && Number(ms) >= 0),
    stderr,
  );
});

Deno.test("a dry run requests the size once, without a retry if the hub fails, and never offline", async () => {
  await using world = await startWorld();
  world.hub.faults.push({ kind: "status", status: 503, roles: ["api"] });
  const asked = async (env: Record<string, string>) => {
    world.hub.requests.length = 0;
    const [{ explanation: { modelBytes } }] = JSON.parse((await dryRun(world, ["--json"], env)).stdout);
    return [modelBytes, world.hub.requests.length];
  };
  assertEquals(await asked({}), [null, 1]);
  assertEquals(await asked({ HF_HUB_OFFLINE: "1" }), [null, 0]);
});
