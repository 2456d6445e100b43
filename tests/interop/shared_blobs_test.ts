// Since 1.32, Python's client shares files between models: `models--…/blobs/ETAG` links to
// `HUB/blobs/XX/HASH`.
import { assert, assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";
import { pythonEnv } from "./python_env.ts";

const env = await pythonEnv("hub", ["huggingface_hub==2.4.0", "hf-xet==1.8.0"]);
const ignore = typeof env !== "string";
const where = typeof env === "string" ? "huggingface_hub 2.4.0" : `ignored: ${env.skip}`;

const SHARED = safetensorsBytes(300_000, 7);
const FILES = { "config.json": '{"model_type":"llama"}\n', "model.safetensors": SHARED };

/** Downloads both models and shares their weights as the client does after a Xet download. */
const SHARE = `
import sys, pathlib
from huggingface_hub import snapshot_download
from huggingface_hub.utils._shared_blobs import publish_blob_to_shared_store, try_link_from_shared_store
cache, size = sys.argv[1], int(sys.argv[2])
for name in ["one", "two"]:
    path = snapshot_download("org/" + name, cache_dir=cache)
    blob = (pathlib.Path(path) / "model.safetensors").parent / pathlib.Path(path, "model.safetensors").readlink()
    blob = pathlib.Path(blob).parent.resolve() / blob.name
    if name == "one":
        assert publish_blob_to_shared_store(blob_path=str(blob), xet_hash="ab" * 32, cache_dir=cache, expected_size=size)
    else:
        blob.unlink()
        assert try_link_from_shared_store(blob_path=str(blob), xet_hash="ab" * 32, cache_dir=cache, expected_size=size)
    assert blob.is_symlink()
`;

const SCAN = `
import sys, json
from huggingface_hub import scan_cache_dir
info = scan_cache_dir(sys.argv[1])
print(json.dumps({"repos": sorted(r.repo_id for r in info.repos), "size": info.size_on_disk}))
`;

async function world() {
  const hub = await startHub({ repos: ["one", "two"].map((name) => ({ id: `org/${name}`, files: FILES })) });
  const directory = await Deno.makeTempDir();
  const python = async (script: string, ...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command(`${env}/bin/python3`, {
      args: ["-c", script, ...args],
      clearEnv: true,
      env: {
        HOME: directory,
        HF_ENDPOINT: hub.url,
        HF_HUB_DISABLE_PROGRESS_BARS: "1",
        HF_HUB_DISABLE_TELEMETRY: "1",
      },
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  };
  await python(SHARE, `${directory}/hub`, String(SHARED.length));
  return {
    hub,
    python,
    cache: directory,
    store: `${directory}/hub/blobs/ab/${"ab".repeat(32)}`,
    aim: (...args: string[]) => aim(args, { env: { AIM_CACHE_PATH: directory, HF_ENDPOINT: hub.url } }),
    async [Symbol.asyncDispose]() {
      await hub.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

Deno.test({
  name: `shared blobs are read, verified and counted once (${where})`,
  ignore,
  async fn() {
    await using w = await world();
    for (const name of ["one", "two"]) {
      const found = await w.aim("resolve", `org/${name}`, "--json");
      assertEquals([found.code, JSON.parse(found.stdout).kind], [0, "hub"], found.stdout);
    }
    const verified = await w.aim("cache", "verify", "--json");
    assertEquals(verified.code, 0, verified.stdout);
    const { folders } = JSON.parse((await w.aim("cache", "list", "--json")).stdout);
    const disk = folders.map((one: { diskBytes: number }) => one.diskBytes);
    assert(disk[0] >= SHARED.length && disk[1] < SHARED.length, String(disk));
    assertEquals(folders.map((one: { models: { bytes: number }[] }) => one.models[0]?.bytes), [
      SHARED.length + 23,
      SHARED.length + 23,
    ]);
  },
});

for (const flags of [["--use-hf-cache"], []]) {
  Deno.test({
    name: `a shared blob is not downloaded again by download-to-cache ${flags.join(" ")} (${where})`,
    ignore,
    async fn() {
      await using w = await world();
      const before = w.hub.bytesSent();
      const ran = await w.aim("download-to-cache", "--model-id", "hf://org/one", ...flags, "--json");
      assertEquals(ran.code, 0, ran.stderr);
      const { path, bytesMoved } = JSON.parse(ran.stdout);
      assertEquals([bytesMoved, w.hub.bytesSent() - before], [0, 0]);
      assertEquals(await Deno.readFile(`${path}/model.safetensors`), SHARED);
      assertEquals((await w.aim("cache", "verify", "org/one")).code, 0);
      // Python can still read the store.
      assertEquals(JSON.parse(await w.python(SCAN, `${w.cache}/hub`)).repos, ["org/one", "org/two"]);
    },
  });
}

Deno.test({
  name: `a shared blob is kept while another model uses it, and removed with the last one (${where})`,
  ignore,
  async fn() {
    await using w = await world();
    const first = await w.aim("cache", "remove", "org/one", "--yes", "--json");
    assertEquals(first.code, 0, first.stderr);
    assert(JSON.parse(first.stdout).freedBytes < SHARED.length);
    assertEquals((await Deno.stat(w.store)).size, SHARED.length);
    assertEquals((await w.aim("resolve", "org/two")).code, 0);
    const second = await w.aim("cache", "remove", "org/two", "--yes", "--json");
    assertEquals(second.code, 0, second.stderr);
    assert(JSON.parse(second.stdout).freedBytes >= SHARED.length);
    assertEquals(
      [...Deno.readDirSync(`${w.cache}/hub/blobs/ab`)].filter(({ name }) => !name.endsWith(".lock")),
      [],
    );
    assertEquals(JSON.parse(await w.python(SCAN, `${w.cache}/hub`)).repos, []);
  },
});

Deno.test({
  name: `a damaged shared blob is detected and repaired (${where})`,
  ignore,
  async fn() {
    await using w = await world();
    await Deno.chmod(w.store, 0o644);
    const bad = SHARED.slice();
    bad[bad.length - 1] = (bad.at(-1) ?? 0) ^ 1;
    await Deno.writeFile(w.store, bad);
    assertEquals((await w.aim("cache", "verify")).code, 8);
    assertEquals((await w.aim("resolve", "org/one")).code, 5);
    const ran = await w.aim("cache", "verify", "--repair", "--json");
    assertEquals(ran.code, 0, ran.stderr + ran.stdout);
    for (const name of ["one", "two"]) {
      assertEquals((await w.aim("resolve", `org/${name}`)).code, 0);
    }
    assertEquals((await w.aim("cache", "verify")).code, 0);
  },
});
