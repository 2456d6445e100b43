import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { aim } from "./aim.ts";
import { GATED, startWorld, type World } from "./world.ts";

interface Page {
  readonly schemaVersion: number;
  readonly ok: boolean;
  readonly checks: readonly { name: string; state: string; found: string; todo?: string }[];
}

/** Runs the doctor; the engine is a Python that has vLLM, unless given. */
async function page(
  world: World,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<[Page, number]> {
  const { code, stdout, stderr } = await aim(["doctor", "--format", "json", ...args], {
    env: { ...world.env, AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1", ...env },
  });
  assertEquals(stderr, "");
  return [JSON.parse(stdout), code];
}

/** Puts a real Python first on PATH and, optionally, a fake vLLM package with metadata into it. */
async function withVllm(world: World, installed = true): Promise<World> {
  const venv = `${world.directory}/venv`;
  const made = await new Deno.Command("python3", { args: ["-m", "venv", "--without-pip", venv] }).output();
  assert(made.success);
  const lib = [...Deno.readDirSync(`${venv}/lib`)].map(({ name }) => name).find((name) =>
    name.startsWith("python3")
  );
  const site = `${venv}/lib/${lib}/site-packages`;
  if (installed) {
    await Deno.mkdir(`${site}/vllm`);
    await Deno.writeTextFile(`${site}/vllm/__init__.py`, "");
    await Deno.mkdir(`${site}/vllm-0.9.1.dist-info`);
    await Deno.writeTextFile(`${site}/vllm-0.9.1.dist-info/METADATA`, "Name: vllm\nVersion: 0.9.1\n");
  }
  return { ...world, env: { ...world.env, PATH: `${venv}/bin:${world.env.PATH ?? ""}` } };
}

const states = ({ checks }: Page, name: string) => checks.filter((c) => c.name === name).map((c) => c.state);
const found = ({ checks }: Page, name: string) => checks.find((c) => c.name === name)?.found ?? "";

Deno.test("without problems, doctor exits 0 and reports what serve would do", async () => {
  await using world = await withVllm(await startWorld());
  const [seen, code] = await page(world, ["--model", "org/model"]);
  assertEquals([seen.schemaVersion, seen.ok, code], [1, true, 0], JSON.stringify(seen, null, 1));
  assertMatch(found(seen, "engine"), /^vLLM 0\.9\.1, \S+\/venv\/bin\/python \(Python 3\.\d+\.\d+\)$/);
  assert(
    /^general\/vllm-mi300x-\S+-tp1-latency \(general\) loads hf:\/\/org\/model$/.test(found(seen, "profile")),
  );
  assert(
    / lists hf:\/\/org\/model \(2 files, 68\.4 KiB\) in \d+ ms$/.test(found(seen, "hub")),
    found(seen, "hub"),
  );
  assertEquals(states(seen, "model"), ["warning"]);
  await aim(["download-to-cache", "--model-id", "org/model"], { env: { ...world.env } });
  const [after] = await page(world, ["--model", "org/model", "--offline"]);
  assertEquals([states(after, "model"), after.ok], [["ok"], true]);
  assertEquals(found(after, "network"), "not checked: --offline is on");
});

Deno.test("doctor fails each check that would stop serve, with a hint, and exits 1", async (t) => {
  await using world = await withVllm(await startWorld());
  const cases: readonly (readonly [string, string, readonly string[], Record<string, string>])[] = [
    ["there is no GPU", "GPUs", ["--model", "org/model"], { AIM_GPU_MODEL: "" }],
    ["no model is named", "profile", [], {}],
    ["no profile fits", "profile", ["--model", "org/model", "--precision", "int4"], {}],
    ["the model is gated", "hub", ["--model", GATED], {}],
    ["the hub does not answer", "hub", ["--model", "org/model"], { HF_ENDPOINT: "http://127.0.0.1:65533" }],
    ["the model is missing and aim is offline", "model", ["--model", "org/model", "--offline"], {}],
    ["the cache is not a directory", "cache", ["--model", "org/model"], {
      AIM_CACHE_PATH: `${world.directory}/bin/aim`,
    }],
    ["S3 denies the keys", "S3", ["--model", "s3://denied/x"], {}],
    ["there is no Python", "engine", ["--model", "org/model"], { PATH: "/none" }],
  ];
  for (const [name, check, args, env] of cases) {
    await t.step(name, async () => {
      const [seen, code] = await page(world, args, env);
      assertEquals([seen.ok, code], [false, 1]);
      const failed = seen.checks.filter((c) => c.name === check && c.state === "failed");
      assert(failed.length > 0 && failed.every((c) => c.todo), JSON.stringify(seen, null, 1));
    });
  }
});

Deno.test("a Python without vLLM, or one that does not run, is reported", async () => {
  await using world = await withVllm(await startWorld(), false);
  const [seen] = await page(world, ["--model", "org/model", "--offline"]);
  assertEquals([states(seen, "engine"), seen.ok], [["failed"], false]);
  assertStringIncludes(found(seen, "engine"), "vllm");
  await Deno.writeTextFile(`${world.directory}/bin/python`, "#!/bin/sh\nexit 3\n");
  const [broken] = await page(world, ["--model", "org/model", "--offline"], {
    PATH: `${world.directory}/bin:/usr/bin:/bin`,
  });
  assertEquals(found(broken, "engine"), `${world.directory}/bin/python does not run`);
});

Deno.test("an unreachable hub is only a warning if the model is cached", async () => {
  await using world = await withVllm(await startWorld());
  await aim(["download-to-cache", "--model-id", "org/model"], { env: { ...world.env } });
  const [seen, code] = await page(world, ["--model", "org/model"], { HF_ENDPOINT: "http://127.0.0.1:65533" });
  assertEquals([states(seen, "hub"), seen.ok, code], [["warning"], true, 0]);
});
