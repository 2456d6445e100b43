// Which files are downloaded, and which are refused.
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { resolveConfig } from "../../src/config/resolve_config.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { takeInventory } from "../../src/gpu/take_inventory.ts";
import { checkFiles } from "../../src/serve/memory_fit.ts";
import { servingFiles } from "../../src/download/serving_files.ts";
import { aim } from "../cli/aim.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { type FileContents, startHub } from "../servers/hub_server.ts";
import { startS3 } from "../servers/s3_server.ts";

const FILES: FileContents = {
  "config.json": '{"model_type":"llama"}',
  "params.json": "{}",
  "tokenizer.json": "{}",
  "model.safetensors": safetensorsBytes(5_000_000),
  "pytorch_model.bin": new Uint8Array(5_000_001),
  "consolidated.safetensors": safetensorsBytes(5_000_002),
  "original/consolidated.00.pth": new Uint8Array(5_000_003),
  "metal/model.bin": new Uint8Array(5_000_004),
};
const SERVED = ["config.json", "model.safetensors", "params.json", "tokenizer.json"];

interface Ran {
  readonly code: number;
  readonly stderr: string;
  /** Files on disk afterwards. */
  readonly files: readonly string[];
}

async function download(
  args: readonly string[],
  env: Record<string, string> = {},
  files = FILES,
): Promise<Ran> {
  await using hub = await startHub({ repos: [{ id: "org/model", files }] });
  const cache = await Deno.makeTempDir();
  try {
    const ran = await aim(args, {
      env: { HF_ENDPOINT: hub.url, AIM_CACHE_PATH: cache, ...env },
    });
    return { code: ran.code, stderr: ran.stderr, files: await namesBelow(`${cache}/org/model`) };
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

const PULL = ["download-to-cache", "--model-id", "org/model"];

Deno.test("serving files are those that an engine loads; without safetensors, all files", () => {
  const kept = (paths: readonly string[]) => paths.filter(servingFiles(paths));
  assertEquals(kept(Object.keys(FILES)).sort(), SERVED);
  const part = ["model-00001-of-00002.safetensors", "pytorch_model.bin", "config.json"];
  assertEquals(kept(part), part);
  const bins = ["pytorch_model.bin", "consolidated.00.pth", "original/x.pth"];
  assertEquals(kept(bins), bins);
  assertEquals(
    kept([
      "model-00000-of-00130.safetensors",
      "model.safetensors.index.json",
      "x.ckpt",
      "pytorch_model.bin.index.json",
    ]),
    [
      "model-00000-of-00130.safetensors",
      "model.safetensors.index.json",
    ],
  );
});

Deno.test("download-to-cache downloads all files and suggests --files serving, which downloads only what an engine loads", async () => {
  const all = await download(PULL);
  assertEquals([all.code, all.files.length], [0, Object.keys(FILES).length], all.stderr);
  assertStringIncludes(all.stderr, "--files serving");
  const flag = await download([...PULL, "--files", "serving"]);
  assertEquals(flag.files, SERVED);
  assertStringIncludes(flag.stderr, "--files all");
  assertEquals((await download(PULL, { AIM_DOWNLOAD_FILES: "serving" })).files, SERVED);
});

Deno.test("the operator's globs apply to download-to-cache, and one that matches nothing is reported", async () => {
  const ran = await download(PULL, { AIM_HF_EXCLUDE: "*.bin,*.pth,nothing-*", AIM_HF_INCLUDE: "" });
  assertEquals(ran.files, [
    "config.json",
    "consolidated.safetensors",
    "model.safetensors",
    "params.json",
    "tokenizer.json",
  ]);
  assertStringIncludes(ran.stderr, "nothing-*");
  assert(!ran.stderr.includes("*.pth matches"), ran.stderr);
  const flag = await download([...PULL, "--exclude", "nothing-else*"], { AIM_HF_EXCLUDE: "*.bin" });
  assertEquals(flag.files.length, Object.keys(FILES).length);
  assertStringIncludes(flag.stderr, "nothing-else*");
});

Deno.test("pickles and a model's own code are reported; with AIM_REFUSE_UNSAFE they are refused before anything is stored", async () => {
  const named = await download(PULL);
  assertStringIncludes(named.stderr, "pytorch_model.bin");
  const refused = await download(PULL, { AIM_REFUSE_UNSAFE: "true" });
  assertEquals([refused.code, refused.files], [8, []]);
  assertStringIncludes(refused.stderr, "pytorch_model.bin");
  assertEquals((await download([...PULL, "--files", "serving"], { AIM_REFUSE_UNSAFE: "true" })).code, 0);
  const coded = {
    "config.json": '{"auto_map":{"AutoModel":"modeling.M"}}',
    "modeling.py": "print()",
    "model.safetensors": safetensorsBytes(300),
  };
  const warned = await download(PULL, {}, coded);
  assertEquals(warned.code, 0);
  assertStringIncludes(warned.stderr, "auto_map");
  const code = await download(PULL, { AIM_REFUSE_UNSAFE: "1" }, coded);
  assertEquals([code.code, code.files], [8, []]);
  assertStringIncludes(code.stderr, "config.json");
});

Deno.test("doctor and dry-run report pickles in a cached model", async () => {
  const cache = await Deno.makeTempDir();
  try {
    const write = async (name: string, files: FileContents) => {
      await Deno.mkdir(`${cache}/${name}`, { recursive: true });
      for (const [path, bytes] of Object.entries(files)) {
        await Deno.writeFile(
          `${cache}/${name}/${path}`,
          typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes as Uint8Array,
        );
      }
    };
    await write("org/pickled", { "config.json": "{}", "pytorch_model.bin": "PK\u0003\u0004" });
    const env = { AIM_CACHE_PATH: cache, AIM_GPU_MODEL: "MI300X", AIM_REFUSE_UNSAFE: "true" };
    const dry = await aim(["dry-run", "org/pickled", "--json"], { env });
    assertStringIncludes(JSON.parse(dry.stdout)[0].explanation.unsafe, "pytorch_model.bin");
    const doctor = await aim(["doctor", "org/pickled", "--json", "--offline"], { env });
    const check = JSON.parse(doctor.stdout).checks.find((one: { name: string }) => one.name === "trust");
    assertEquals(check.state, "warning");
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test("with AIM_REFUSE_UNSAFE, serve refuses pickles that an engine would load and a model's own code, but not pickles next to safetensors", async (t) => {
  const cases: readonly [name: string, files: Record<string, string | Uint8Array>, refused: RegExp | null][] =
    [
      ["pickled", { "config.json": "{}", "pytorch_model.bin": "PK\u0003\u0004" }, /pytorch_model\.bin/],
      [
        "coded",
        { "config.json": '{"auto_map":{}}', "model.safetensors": safetensorsBytes(300) },
        /config\.json/,
      ],
      [
        "both",
        {
          "config.json": "{}",
          "pytorch_model.bin": "PK\u0003\u0004",
          "model.safetensors": safetensorsBytes(300),
        },
        null,
      ],
    ];
  for (const [name, files, refused] of cases) {
    await t.step(name, async () => {
      const path = await Deno.makeTempDir();
      try {
        for (const [file, bytes] of Object.entries(files)) {
          await Deno.writeFile(
            `${path}/${file}`,
            typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes,
          );
        }
        const config = resolveConfig({ flags: {}, env: { AIM_REFUSE_UNSAFE: "true" }, cwd: "/" });
        const gpus = takeInventory("sysfs", []);
        const place = { kind: "path", path, name: "org/model", looked: [] } as const;
        const look = () => checkFiles({ config, gpus }, new Map(), place);
        if (refused === null) return await look();
        const error = await assertRejects(look, AimError, undefined);
        assertEquals(error.exitCode, 8);
        assertMatch(error.message, refused);
      } finally {
        await Deno.remove(path, { recursive: true });
      }
    });
  }
});

Deno.test("a model's own signature is reported once as unchecked if no signer is named", async () => {
  const files = { ...FILES, "model.sig": "{}" };
  const ran = await download(PULL, {}, files);
  assertEquals(ran.code, 0, ran.stderr);
  const lines = ran.stderr.split("\n").filter((line) => line.includes("model.sig"));
  assertEquals(lines.length, 1, ran.stderr);
  assertMatch(lines[0] ?? "", /not checked.*--key/);
  assert(!(await download(PULL)).stderr.includes("model.sig"));
});

Deno.test("serve downloads only what an engine loads, and all files with AIM_DOWNLOAD_FILES=all", async () => {
  const served = await serveFromHub(FILES);
  assertEquals(served.code, 0, served.stderr);
  assertEquals([served.started, served.files], [true, SERVED]);
  const all = await serveFromHub(FILES, { AIM_DOWNLOAD_FILES: "all" });
  assertEquals([all.code, all.files], [0, Object.keys(FILES).sort()]);
});

Deno.test("a bucket named by a profile is downloaded under its own name even if AIM_CUSTOM_MODEL_NAME is set", async () => {
  await using s3 = await startS3({
    buckets: {
      models: { "org/tiny/config.json": "{}", "org/tiny/model.safetensors": safetensorsBytes(300) },
    },
  });
  const base = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${base}/python`, "#!/bin/sh\necho $*\n", { mode: 0o755 });
    await Deno.mkdir(`${base}/profiles/org/model`, { recursive: true });
    await Deno.writeTextFile(
      `${base}/profiles/org/model/vllm-mi300x-fp16-tp1-latency.yaml`,
      `aim_id: org/model
model_id: s3://models/org/tiny
metadata: { engine: vllm, gpu: MI300X, precision: fp16, gpu_count: 1, metric: latency, type: general, manual_selection_only: false }
engine_args: {}
env_vars: {}
`,
    );
    const { code, stdout, stderr } = await aim(["serve", "org/model"], {
      env: {
        ...s3.env,
        AIM_CACHE_PATH: `${base}/cache`,
        AIM_CUSTOM_MODEL_NAME: "other/name",
        AIM_GPU_MODEL: "MI300X",
        AIM_PROFILE_PATH: `${base}/profiles`,
        PATH: `${base}:${Deno.env.get("PATH")}`,
      },
    });
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, `--model ${base}/cache/org/tiny `);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test("with AIM_REFUSE_UNSAFE, aim serve names the unsafe file and exits 8 before the engine starts", async () => {
  const cases: readonly (readonly [name: string, files: FileContents])[] = [
    ["pytorch_model.bin", { "config.json": "{}", "pytorch_model.bin": "PK\u0003\u0004" }],
    ["config.json", {
      "config.json": '{"auto_map":{"AutoModel":"modeling.M"}}',
      "model.safetensors": safetensorsBytes(300),
    }],
  ];
  for (const [name, files] of cases) {
    // Both before a download and for a model that is already in the cache.
    for (const before of [false, true]) {
      const ran = await serveFromHub(files, { AIM_REFUSE_UNSAFE: "true" }, before);
      assertEquals([ran.code, ran.started], [8, false], ran.stderr);
      assertStringIncludes(ran.stderr, name);
      if (!before) assertEquals(ran.files, []);
    }
    assertEquals((await serveFromHub(files)).started, true);
  }
  const beside = await serveFromHub(FILES, { AIM_REFUSE_UNSAFE: "true" });
  assertEquals([beside.code, beside.started], [0, true], beside.stderr);
});

/** Runs `aim serve` with an engine that prints "started". @param before Downloads the model beforehand. */
async function serveFromHub(
  files: FileContents,
  env: Record<string, string> = {},
  before = false,
): Promise<Ran & { readonly started: boolean }> {
  await using hub = await startHub({ repos: [{ id: "org/model", files }] });
  const base = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${base}/python`, "#!/bin/sh\necho started\n", { mode: 0o755 });
    const vars = {
      HF_ENDPOINT: hub.url,
      AIM_CACHE_PATH: `${base}/cache`,
      AIM_GPU_MODEL: "MI300X",
      PATH: `${base}:${Deno.env.get("PATH")}`,
    };
    if (before) assertEquals((await aim([...PULL, "--use-hf-cache"], { env: vars })).code, 0);
    const { code, stdout, stderr } = await aim(["serve", "org/model"], { env: { ...vars, ...env } });
    const snapshot = `${base}/cache/hub/models--org--model/snapshots/${hub.commit("org/model")}`;
    return { code, stderr, started: stdout.includes("started"), files: await namesBelow(snapshot) };
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

async function namesBelow(directory: string, prefix = ""): Promise<string[]> {
  if (!await Deno.stat(directory).then(() => true, () => false)) return [];
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if ([".aim", ".cache"].includes(name)) continue;
    if (isDirectory) found.push(...await namesBelow(`${directory}/${name}`, `${prefix}${name}/`));
    else found.push(`${prefix}${name}`);
  }
  return found.sort();
}
