// Real trees on disk in both layouts, judged by the program.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { NO_USERS, openStage } from "./as_user.ts";
import { LAYOUTS, startCaches } from "./caches.ts";

const COMMIT = "c".repeat(40);
const CONFIG = '{"model_type":"llama"}';
type Files = Readonly<Record<string, Uint8Array | string>>;

/**
 * Writes a model into one layout, as a manual copy without a record, and returns the path to read it from.
 */
async function write(cache: string, layout: string, files: Files, name = "org/model"): Promise<string> {
  const folder = `${cache}/hub/models--${name.replace("/", "--")}`;
  const path = layout === "local" ? `${cache}/${name}` : `${folder}/snapshots/${COMMIT}`;
  await Deno.mkdir(path, { recursive: true });
  if (layout === "hub") {
    await Deno.mkdir(`${folder}/blobs`, { recursive: true });
    await Deno.mkdir(`${folder}/refs`, { recursive: true });
    await Deno.writeTextFile(`${folder}/refs/main`, COMMIT);
  }
  let blob = 0;
  for (const [file, content] of Object.entries(files)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.mkdir(`${path}/${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
    if (layout === "local") {
      await Deno.writeFile(`${path}/${file}`, bytes);
      continue;
    }
    const id = String(++blob).padStart(64, "0");
    await Deno.writeFile(`${folder}/blobs/${id}`, bytes);
    await Deno.symlink(`${"../".repeat(file.split("/").length + 1)}blobs/${id}`, `${path}/${file}`);
  }
  return path;
}

async function resolved(
  cache: string,
  name = "org/model",
): Promise<{ code: number; reason: string; state: string }> {
  const ran = await aim(["resolve", name, "--gpu-model", "MI300X", "--json"], {
    env: { AIM_CACHE_PATH: cache },
  });
  const { kind, looked } = JSON.parse(ran.stdout);
  const place = kind === "missing"
    ? looked.find((one: { state: string }) => one.state !== "absent") ?? looked[0]
    : looked.at(-1);
  return { code: ran.code, reason: place.reason, state: place.state };
}

const shard = (at: number, of: number) =>
  `model-${String(at).padStart(5, "0")}-of-${String(of).padStart(5, "0")}.safetensors`;
const indexOf = (names: readonly string[]) =>
  JSON.stringify({
    metadata: { total_size: 1 },
    weight_map: Object.fromEntries(names.map((n, i) => [`w${i}`, n])),
  });
const MINIMAX = Array.from({ length: 125 }, (_, i) => shard(i, 130));
const cut = safetensorsBytes(4000).slice(0, 3000);
const long = new Uint8Array([...safetensorsBytes(4000), 0]);

const TREES: readonly [name: string, files: Files, state: string, says: string][] = [
  [
    "shards 0 to 124 of 130, all that the index lists",
    {
      "config.json": CONFIG,
      "model.safetensors.index.json": indexOf(MINIMAX),
      ...Object.fromEntries(MINIMAX.map((name, i) => [name, safetensorsBytes(200, i)])),
    },
    "complete",
    "all weights",
  ],
  ["100 zero bytes", { "config.json": CONFIG, "model.safetensors": new Uint8Array(100) }, "damaged", "zeros"],
  [
    "a git-lfs pointer",
    {
      "config.json": CONFIG,
      "model.safetensors": `version https://git-lfs.github.com/spec/v1\noid sha256:${
        "0".repeat(64)
      }\nsize 12345\n`,
    },
    "damaged",
    "git-lfs pointer",
  ],
  [
    "an HTML page",
    { "config.json": CONFIG, "model.safetensors": "<!DOCTYPE html><html>login</html>" },
    "damaged",
    "HTML",
  ],
  [
    "a truncated safetensors file",
    { "config.json": CONFIG, "model.safetensors": cut },
    "damaged",
    "3000 bytes",
  ],
  [
    "a safetensors file with an extra byte",
    { "config.json": CONFIG, "model.safetensors": long },
    "damaged",
    "4001 bytes",
  ],
  [
    "only an adapter",
    { "adapter_config.json": "{}", "adapter_model.safetensors": safetensorsBytes(200) },
    "partial",
    "adapter",
  ],
  [
    "an empty config.json",
    { "config.json": "", "model.safetensors": safetensorsBytes(200) },
    "damaged",
    "config.json is empty",
  ],
  ["a .gguf file that is not GGUF", { "m.gguf": "not one" }, "damaged", "GGUF"],
  ["GGUF", { "m.gguf": "GGUF\u0003" }, "complete", "GGUF"],
  [
    "a tokenizer that is a git-lfs pointer",
    {
      "config.json": CONFIG,
      "model.safetensors": safetensorsBytes(200),
      "tokenizer.json": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    },
    "damaged",
    "tokenizer.json is a git-lfs pointer",
  ],
];

for (const layout of LAYOUTS) {
  for (const [name, files, state, says] of TREES) {
    Deno.test(`${name}, in the ${layout} layout: ${state}`, async () => {
      const cache = await Deno.makeTempDir();
      try {
        await write(cache, layout, files);
        const found = await resolved(cache);
        assertEquals([found.state, found.code], [state, state === "complete" ? 0 : 5], found.reason);
        assertStringIncludes(found.reason, says);
      } finally {
        await Deno.remove(cache, { recursive: true });
      }
    });
  }

  for (const record of ["with", "without"]) {
    Deno.test(`a dangling link is a missing file, ${record} a record, in the ${layout} layout`, async () => {
      await using caches = await startCaches();
      const { path } = await caches.download({ layout });
      if (record === "without") {
        const folder = layout === "local" ? path : path.replace(/\/snapshots\/.*/, "");
        await Deno.remove(`${folder}/.aim`, { recursive: true });
      }
      const file = `${path}/model-00002-of-00002.safetensors`;
      if (layout === "hub") await Deno.remove(await Deno.realPath(file));
      else {
        await Deno.remove(file);
        await Deno.symlink("nowhere", file);
      }
      const found = await resolved(caches.cache);
      assertEquals([found.state, found.code], ["partial", 5]);
      assertStringIncludes(found.reason, "model-00002-of-00002.safetensors is missing");
      const ran = await aim(["cache", "verify", "--json"], { env: caches.env });
      assertEquals(ran.code, 8);
      const { findings } = JSON.parse(ran.stdout).models[0];
      assert(
        findings.some((one: { path: string; state: string }) =>
          one.path === "model-00002-of-00002.safetensors" && one.state === "missing"
        ),
        ran.stdout,
      );
    });
  }

  Deno.test(`a model of an organisation named "hub" is found, listed and removed in the ${layout} layout`, async () => {
    const cache = await Deno.makeTempDir();
    try {
      const files = { "config.json": CONFIG, "model.safetensors": safetensorsBytes(200) };
      await write(cache, layout, files, "hub/model");
      await write(cache, "hub", files, "org/other");
      const env = { AIM_CACHE_PATH: cache };
      assertEquals((await resolved(cache, "hub/model")).code, 0);
      const listed = JSON.parse((await aim(["cache", "list", "--json"], { env })).stdout).folders;
      assertEquals(listed.map((one: { name: string }) => one.name).sort(), ["hub/model", "org/other"]);
      assertEquals((await aim(["cache", "remove", "hub/model", "--yes"], { env })).code, 0);
      assertEquals((await resolved(cache, "hub/model")).code, 5);
      assertEquals((await resolved(cache, "org/other")).code, 0);
    } finally {
      await Deno.remove(cache, { recursive: true });
    }
  });

  Deno.test({
    name:
      `unreadable weights and an unreadable tokenizer are reported, unneeded files are not, in the ${layout} layout${
        NO_USERS === null ? "" : ` (skipped: ${NO_USERS})`
      }`,
    ignore: NO_USERS !== null,
    async fn() {
      await using caches = await startCaches();
      await using stage = await openStage();
      const asUser = (args: string[], env: Record<string, string>) =>
        stage.aim({ uid: 1000, gid: 1000 }, args, env);
      const { path } = await caches.download({ layout });
      await Deno.chmod(caches.cache.replace(/\/[^/]*$/, ""), 0o755);
      for (
        const [file, code] of [["tokenizer.json", 5], ["model-00001-of-00002.safetensors", 5], [
          "nested/deeper/größe.json",
          0,
        ]] as const
      ) {
        const real = await Deno.realPath(`${path}/${file}`);
        await Deno.chmod(real, 0o600);
        const ran = await asUser(["resolve", "org/model", "--gpu-model", "MI300X"], {
          AIM_CACHE_PATH: caches.cache,
        });
        assertEquals(ran.code, code, ran.stdout + ran.stderr);
        if (code !== 0) assertStringIncludes(ran.stdout, `${file} cannot be read (EACCES)`);
        await Deno.chmod(real, 0o644);
      }
      if (layout === "hub") {
        // As Python's client leaves it when run as root.
        const folder = path.replace(/\/snapshots\/.*/, "");
        await Deno.remove(`${folder}/.aim`, { recursive: true });
        await Deno.mkdir(`${folder}/trees`);
        await Deno.writeTextFile(`${folder}/trees/${caches.hub.commit("org/model")}.json`, "{}", {
          mode: 0o600,
        });
        const ran = await asUser(["resolve", "org/model", "--gpu-model", "MI300X"], {
          AIM_CACHE_PATH: caches.cache,
        });
        assertEquals(ran.code, 0, ran.stdout + ran.stderr);
      }
    },
  });
}

Deno.test("a partial blob makes a snapshot incomplete only if it belongs to its revision", async () => {
  const cache = await Deno.makeTempDir();
  try {
    const path = await write(cache, "hub", {
      "config.json": CONFIG,
      "model.safetensors": safetensorsBytes(200),
    });
    const folder = path.replace(/\/snapshots\/.*/, "");
    const blob = "d".repeat(64);
    await Deno.writeTextFile(`${folder}/blobs/${blob}.incomplete`, "half");
    const tree = (sha: string) => ({
      "config.json": { size: CONFIG.length, blob_id: "1" },
      "extra.json": { size: 1, blob_id: "2", lfs_sha256: sha },
    });
    const noted = (files: unknown) =>
      Deno.writeTextFile(`${folder}/trees/${COMMIT}.json`, JSON.stringify({ format_version: 1, files }));
    await Deno.mkdir(`${folder}/trees`);
    await noted(tree("e".repeat(64)));
    assertEquals((await resolved(cache)).code, 0);
    await noted(tree(blob));
    assertEquals((await resolved(cache)).state, "partial");
    // Without a listing, the blob counts as the snapshot's own unless there is another snapshot.
    await Deno.remove(`${folder}/trees`, { recursive: true });
    assertEquals((await resolved(cache)).state, "partial");
    await Deno.mkdir(`${folder}/snapshots/${"f".repeat(40)}`);
    assertEquals((await resolved(cache)).code, 0);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test("a link to a model outside of the cache is refused, with a hint how to serve the model", async () => {
  const cache = await Deno.makeTempDir();
  const elsewhere = await Deno.makeTempDir();
  try {
    const path = await write(elsewhere, "local", {
      "config.json": CONFIG,
      "model.safetensors": safetensorsBytes(200),
    });
    await Deno.mkdir(`${cache}/org`);
    await Deno.symlink(path, `${cache}/org/model`);
    const env = { AIM_CACHE_PATH: cache };
    const ran = await aim(["resolve", "org/model", "--gpu-model", "MI300X"], { env });
    assertEquals(ran.code, 5);
    assertStringIncludes(ran.stdout, path);
    assertStringIncludes(ran.stdout, "--model /PATH");
    assertEquals((await aim(["resolve", path, "--gpu-model", "MI300X"], { env })).code, 0);
  } finally {
    await Deno.remove(cache, { recursive: true });
    await Deno.remove(elsewhere, { recursive: true });
  }
});

for (const layout of LAYOUTS) {
  Deno.test(`a model whose name differs only by case from a cached one is downloaded with a warning; offline, the cached name is suggested, in the ${layout} layout`, async () => {
    await using caches = await startCaches();
    await write(
      caches.cache,
      layout,
      { "config.json": CONFIG, "model.safetensors": safetensorsBytes(200) },
      "Org/Model",
    );
    const flags = layout === "hub" ? ["--use-hf-cache"] : [];
    const offline = await aim(["download-to-cache", "--model-id", "org/model", "--offline", ...flags], {
      env: caches.env,
    });
    assertEquals(offline.code, 5);
    assertStringIncludes(offline.stderr, "Org/Model");
    const ran = await aim(["download-to-cache", "--model-id", "org/model", ...flags], { env: caches.env });
    assertEquals(ran.code, 0, ran.stderr);
    assertStringIncludes(ran.stderr, "Org/Model");
  });
}
