import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Ran } from "../cli/aim.ts";
import { startWorld, type World } from "../cli/world.ts";

const FOLDER = new URL("../../container/downloader/", import.meta.url).pathname;

Deno.test("entrypoint.sh downloads into TARGET_DIR with the environment of the operator's job", async () => {
  await using world = await startWorld();
  const target = `${world.directory}/target`;
  const { code, stderr } = await run(world, ["entrypoint.sh", "hf://org/model"], {
    TARGET_DIR: target,
    HF_HOME: `${world.directory}/tmp/.hf`,
    MOUNT_PATH: target,
    AIM_DOWNLOADER_PROTOCOL: "XET,HF_TRANSFER",
    EXPECTED_SIZE_BYTES: "70023",
    STALL_TIMEOUT: "120",
    ARTIFACT_NAME: "artifact",
    ARTIFACT_NAMESPACE: "models",
  });
  assertEquals(code, 0, stderr);
  assertEquals((await Deno.stat(`${target}/model.safetensors`)).size, 70_000);
  assert(!stderr.includes("WARNING"), stderr);
});

Deno.test("entrypoint.sh downloads into MOUNT_PATH if TARGET_DIR is unset; plain `aim fetch` still needs a directory", async () => {
  await using world = await startWorld();
  const target = `${world.directory}/mounted`;
  const { code, stderr } = await run(world, ["entrypoint.sh", "hf://org/model"], { MOUNT_PATH: target });
  assertEquals(code, 0, stderr);
  assertEquals((await Deno.stat(`${target}/model.safetensors`)).size, 70_000);
  assertEquals((await sh(world, "aim fetch hf://org/model")).code, 2);
});

Deno.test("the last line of check-size.sh's log is the size as JSON, whatever else is logged", async (t) => {
  await using world = await startWorld();
  for (const uri of ["hf://org/model", "s3://models/org/llama-7b"]) {
    await t.step(uri, async () => {
      const log = `${world.directory}/log`;
      // Kubernetes merges standard output and standard error into one log.
      const words = `'${FOLDER}check-size.sh' '${uri}' >'${log}' 2>&1`;
      const { code } = await sh(world, words, { AIM_LOG_LEVEL: "DEBUG" });
      assertEquals(code, 0);
      const lines = (await Deno.readTextFile(log)).trimEnd().split("\n");
      assertEquals(JSON.parse(lines.at(-1) ?? ""), { url: uri, sizeBytes: 70_023 });
    });
  }
  await t.step("a missing model", async () => {
    const { code, stdout, stderr } = await run(world, ["check-size.sh", "hf://org/nothing"]);
    assertEquals([code, stdout], [5, ""]);
    assertStringIncludes(stderr, "org/nothing");
  });
});

Deno.test("initializer-entrypoint fetches every URI and destination pair, with KServe's `:revision` syntax", async () => {
  await using world = await startWorld();
  const at = (name: string) => `${world.directory}/${name}`;
  const { code, stderr } = await run(world, [
    "initializer-entrypoint",
    ...["hf://org/model:v1.0", at("one"), "s3://models/org/llama-7b", at("two")],
    ...["hf://mistralai/Mistral-7B-v0.1", at("three")],
  ]);
  assertEquals(code, 0, stderr);
  for (const name of ["one", "two", "three"]) {
    assertEquals((await Deno.stat(`${at(name)}/model.safetensors`)).size, 70_000);
  }
});

Deno.test("initializer-entrypoint stops at the first failure with its exit code, and rejects incomplete pairs", async (t) => {
  await using world = await startWorld();
  const at = (name: string) => `${world.directory}/${name}`;
  await t.step("failure", async () => {
    const args = ["hf://org/gated", at("one"), "hf://org/model", at("two")];
    assertEquals((await run(world, ["initializer-entrypoint", ...args])).code, 4);
    assert(![...Deno.readDirSync(world.directory)].some(({ name }) => name === "two"));
  });
  for (const args of [[], ["hf://org/model"], ["hf://org/model", "a", "hf://org/model"]]) {
    await t.step(`${args.length} words`, async () => {
      const { code, stderr } = await run(world, ["initializer-entrypoint", ...args]);
      assertEquals([code, stderr], [2, "initializer-entrypoint needs URI DEST [URI DEST ...]\n"]);
    });
  }
});

Deno.test("SIGTERM stops initializer-entrypoint with exit code 143, and later downloads do not start", async () => {
  await using world = await startWorld();
  world.hub.faults.push({ kind: "stall", after: "request" });
  const child = new Deno.Command(`${FOLDER}initializer-entrypoint`, {
    args: ["hf://org/model", `${world.directory}/one`, "hf://org/model", `${world.directory}/two`],
    clearEnv: true,
    env: world.env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  while (world.hub.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill("SIGTERM");
  const { code } = await child.output();
  assertEquals(code, 143);
  assert(![...Deno.readDirSync(world.directory)].some(({ name }) => name === "two"));
});

function run(world: World, [script, ...args]: readonly string[], env?: Record<string, string>): Promise<Ran> {
  return sh(world, [`${FOLDER}${script}`, ...args].map((word) => `'${word}'`).join(" "), env);
}

async function sh(world: World, script: string, env: Record<string, string> = {}): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    clearEnv: true,
    env: { ...world.env, ...env },
    cwd: world.directory,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
