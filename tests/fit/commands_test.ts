// Commands with a model that does not fit; its weights are a sparse file of the real size.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { mountVolume, REFUSED } from "../cache/volumes.ts";
import { aim } from "../cli/aim.ts";
import { startWorld } from "../cli/world.ts";
import { virtualContent } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";

const CONFIG = {
  num_attention_heads: 128,
  num_hidden_layers: 61,
  kv_lora_rank: 512,
  qk_rope_head_dim: 64,
  max_position_embeddings: 163840,
  torch_dtype: "bfloat16",
  quantization_config: { quant_method: "fp8" },
};
const WEIGHTS = 688_586_727_753;
const NAME = "deepseek-ai/DeepSeek-R1";
const ARGS = [NAME, "--gpu-model", "MI300X", "--gpu-count", "1", "--precision", "fp16"];

async function writeSparse(cache: string): Promise<void> {
  const path = `${cache}/${NAME}`;
  await Deno.mkdir(path, { recursive: true });
  await Deno.writeTextFile(`${path}/config.json`, JSON.stringify(CONFIG));
  const header = new TextEncoder().encode(
    `{"w":{"dtype":"U8","shape":[${WEIGHTS}],"data_offsets":[0,${WEIGHTS}]}}`,
  );
  const head = new Uint8Array(8 + header.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(header.length), true);
  head.set(header, 8);
  using file = await Deno.create(`${path}/model.safetensors`);
  await file.write(head);
  await file.truncate(head.length + WEIGHTS);
}

Deno.test("every command reports a model too large for the GPU and the GPU count it needs; none refuses it", async () => {
  await using world = await startWorld();
  const { env } = world;
  await writeSparse(`${world.directory}/cache`);
  const run = (command: string, ...more: string[]) => aim([command, ...ARGS, ...more], { env });
  const [dry, listed, table, doctor, serve] = await Promise.all([
    run("dry-run", "--json"),
    run("list-profiles", "--json", "--state", "compatible"),
    run("list-profiles", "--state", "compatible"),
    run("doctor", "--json", "--offline"),
    run("serve", "--offline"),
  ]);
  assertEquals([dry.code, listed.code], [0, 0], dry.stderr + listed.stderr);
  const { memory } = JSON.parse(dry.stdout)[0].explanation;
  assertEquals([memory.state, memory.smallestCount, memory.tokens, memory.gpus], ["weights", 4, 163_840, 1]);
  assertEquals(memory.kvBytes, 163_840 * 70_272);
  assertStringIncludes(dry.stderr, "4 x MI300X would be enough");
  const rows = JSON.parse(listed.stdout);
  assert(rows.length > 0);
  for (const row of rows) assertEquals([row.compatibility, row.memory.state], ["compatible", "weights"]);
  assertStringIncludes(table.stdout, "compatible, memory low");
  const check = JSON.parse(doctor.stdout).checks.find((one: { name: string }) => one.name === "memory");
  assertEquals(check.state, "warning");
  // A warning only: the engine decides.
  assertStringIncludes(serve.stderr, "4 x MI300X would be enough");
});

Deno.test("before a download, the fit is judged from the source's file sizes", async () => {
  await using hub = await startHub({
    repos: [{
      id: NAME,
      files: {
        "config.json": JSON.stringify(CONFIG),
        "model.safetensors": virtualContent({ size: WEIGHTS, sha256: "a".repeat(64) }),
      },
    }],
  });
  const cache = await Deno.makeTempDir();
  try {
    const env = { HF_ENDPOINT: hub.url, AIM_CACHE_PATH: cache };
    const dry = await aim(["dry-run", ...ARGS, "--json"], { env });
    assertEquals(dry.code, 0, dry.stderr);
    const { memory, disk } = JSON.parse(dry.stdout)[0].explanation;
    assertEquals([memory.state, memory.smallestCount, memory.kvBytes], ["weights", 4, 163_840 * 70_272]);
    assertEquals(disk.neededBytes, WEIGHTS + JSON.stringify(CONFIG).length);
    const download = await aim(["download-to-cache", "--model", ...ARGS], { env });
    assertStringIncludes(download.stderr, "x MI300X would be enough");
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test({
  name: `doctor fails if the volume is too small for the download${
    REFUSED.tmpfs === null ? "" : ` (ignored: ${REFUSED.tmpfs})`
  }`,
  ignore: REFUSED.tmpfs !== null,
  async fn() {
    await using hub = await startHub({
      repos: [{
        id: "org/model",
        files: {
          "config.json": "{}",
          "model.safetensors": virtualContent({ size: 200 << 20, sha256: "a".repeat(64) }),
        },
      }],
    });
    const at = await Deno.makeTempDir();
    try {
      await using _ = await mountVolume("tmpfs", at, "size=20m");
      const env = { HF_ENDPOINT: hub.url, AIM_CACHE_PATH: at };
      const ran = await aim(["doctor", "org/model", "--gpu-model", "MI300X", "--json"], { env });
      const check = JSON.parse(ran.stdout).checks.find((one: { name: string }) => one.name === "disk");
      assertEquals([check.state, ran.code], ["failed", 1]);
      assertStringIncludes(check.found, "200 MiB");
    } finally {
      await Deno.remove(at);
    }
  },
});
