import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import type { Ran } from "../cli/aim.ts";
import { startWorld, type World } from "../cli/world.ts";

const FOLDER = new URL("../../container/ci/", import.meta.url).pathname;

Deno.test("warming downloads a model once; the second run downloads nothing and has the same key", async (t) => {
  await using world = await startWorld();
  const models = ["hf://org/model", "s3://models/org/llama-7b"];
  for (const model of models) {
    for (const layout of ["local", "hf"]) {
      await t.step(`${model}, ${layout}`, async () => {
        const cache = `${world.directory}/warm ${layout}`;
        const first = await warm(world, ["--model", model, "--layout", layout, "--path", cache]);
        assertEquals(first.code, 0, first.stderr);
        const told = outputs(first.stdout);
        assertEquals(told["bytes-moved"], "70023");
        assert(told.path?.startsWith(`${cache}/${layout === "hf" ? "hub/models--" : "org/"}`), told.path);
        assertEquals((await Deno.stat(`${told.path}/model.safetensors`)).size, 70_000);
        const name = model.replace("hf://", "").replaceAll(/[:/]/g, "-");
        assertMatch(told["cache-key"] ?? "", new RegExp(`^aim-${layout}-${name}-[0-9a-f]{40}$`));

        const before = world.hub.requests.length;
        const second = await warm(world, ["--model", model, "--layout", layout, "--path", cache]);
        assertEquals(outputs(second.stdout), { ...told, "bytes-moved": "0" });
        assertEquals(world.hub.requests.slice(before).filter(({ role }) => role !== "api"), []);

        const prefix = await warm(world, ["--model", model, "--layout", layout, "--key-prefix"]);
        assert(told["cache-key"]?.startsWith(outputs(prefix.stdout)["key-prefix"] ?? "none"));
      });
    }
  }
});

Deno.test("another revision has another key, and unchanged files are not downloaded again", async () => {
  await using world = await startWorld();
  await world.hub.push("org/model", "config.json", '{"model_type":"llama","new":true}\n');
  const cache = `${world.directory}/cache`;
  const old = outputs(
    (await warm(world, ["--model", "hf://org/model", "--revision", "v1.0", "--path", cache])).stdout,
  );
  const { stdout } = await warm(world, ["--model", "hf://org/model", "--path", cache]);
  const now = outputs(stdout);
  assertNotEquals(now["cache-key"], old["cache-key"]);
  assert(Number(now["bytes-moved"]) < 1000, stdout);
});

Deno.test("outputs go to GITHUB_OUTPUT, paths may be relative, and the CI's HF_* variables are ignored", async () => {
  await using world = await startWorld();
  const file = `${world.directory}/outputs`;
  const { code, stdout, stderr } = await warm(
    world,
    ["--model", "hf://org/model", "--layout", "hf", "--path", "models"],
    { GITHUB_OUTPUT: file, HF_HOME: "/nowhere", HF_HUB_CACHE: "/nowhere/hub" },
  );
  assertEquals(code, 0, stderr);
  assertEquals(await Deno.readTextFile(file), stdout);
  assert(outputs(stdout).path?.startsWith(`${world.directory}/models/hub/models--org--model/snapshots/`));
});

Deno.test("a failure has aim's exit code and reason", async (t) => {
  await using world = await startWorld();
  const cases: [string[], number, string][] = [
    [[], 2, "give --model"],
    [["--model"], 2, "--model needs a value"],
    [["--modle", "x"], 2, "unknown option --modle"],
    [["--model", "hf://org/model", "--layout", "flat"], 2, '--layout is "flat"; use local or hf'],
    [["--model", "hf://org/nothing"], 5, "org/nothing"],
    [["--model", "hf://org/gated"], 4, "gated"],
    [["--model", "hf://org/model", "--revision", "v9"], 5, "v9"],
  ];
  for (const [args, code, says] of cases) {
    await t.step(args.join(" ") || "no argument", async () => {
      const ran = await warm(world, args);
      assertEquals(ran.code, code, ran.stderr);
      assertStringIncludes(ran.stderr, says);
      assertEquals(ran.stdout, "");
    });
  }
});

Deno.test("the action passes inputs only through the environment, and forwards the script's outputs", async () => {
  const action = parse(await Deno.readTextFile(`${FOLDER}action.yml`)) as {
    inputs: Record<string, { required?: boolean; default?: string }>;
    outputs: Record<string, { value: string }>;
    runs: {
      using: string;
      steps: { id?: string; run?: string; shell?: string; env?: Record<string, string> }[];
    };
  };
  assertEquals(action.runs.using, "composite");
  for (const name of ["model", "revision", "layout", "path"]) assert(name in action.inputs, name);
  assertEquals(Object.keys(action.outputs).sort(), ["bytes-moved", "cache-key", "path"]);
  const step = action.runs.steps.find(({ id }) => id === "warm");
  assertEquals(step?.env?.MODEL, "${{ inputs.model }}");
  // An expression inside a script would allow command injection through an input.
  for (const { run } of action.runs.steps) assert(run === undefined || !run.includes("${{"), run);
  await using world = await startWorld();
  const file = `${world.directory}/outputs`;
  const { code } = await sh(step?.run ?? "exit 9", {
    ...world.env,
    GITHUB_ACTION_PATH: FOLDER.slice(0, -1),
    GITHUB_OUTPUT: file,
    AIM: `${world.directory}/bin/aim`,
    MODEL: "hf://org/model",
    REVISION: "",
    LAYOUT: "local",
    CACHE: `${world.directory}/actions`,
  }, world.directory);
  assertEquals(code, 0);
  const told = outputs(await Deno.readTextFile(file));
  for (const [name, { value }] of Object.entries(action.outputs)) {
    assertEquals(value, `\${{ steps.warm.outputs.${name} }}`);
    assert(name in told, name);
  }
});

function warm(world: World, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const words = [`${FOLDER}cache-warm.sh`, ...args].map((word) => `'${word}'`);
  return sh(words.join(" "), { ...world.env, ...env }, world.directory);
}

async function sh(script: string, env: Record<string, string>, cwd: string): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    clearEnv: true,
    env,
    cwd,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function outputs(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split("\n").filter((line) => line !== "").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}
