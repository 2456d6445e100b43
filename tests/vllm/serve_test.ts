import { assert, assertEquals } from "@std/assert";
import { makeAdapter } from "../fixtures/model/make_adapter.ts";
import { makeModel } from "../fixtures/model/make_model.ts";
import { startCeph } from "../servers/ceph.ts";
import { startHub } from "../servers/hub_server.ts";
import { startS3 } from "../servers/s3_server.ts";
import { aim } from "../cli/aim.ts";
import { readOnly } from "./read_only.ts";
import { type Serving, serving } from "./serving.ts";
import { vllmEnv } from "./vllm_env.ts";

const MODEL = "example/tiny-llama";
const EAGER = ["--", "--enforce-eager", "--host", "127.0.0.1"];

/** A profile with adapters, for a test that changes them while the engine runs. */
const ADAPTED = `metadata:
  engine: vllm
  accelerator_type: cpu
  accelerator_model: CPU
  accelerator_count: 1
  precision: bf16
  metric: latency
  type: general
  features: [adapters]
engine_args:
  dtype: bfloat16
env_vars:
  VLLM_CPU_KVCACHE_SPACE: "1"
`;

const found = await vllmEnv();
const python = typeof found === "string" ? found : "";
const because = typeof found === "string" ? "" : ` (skipped: ${found.skip})`;
const ignore = python === "";
const files = makeModel();

Deno.test({
  name:
    `a model from the hub is downloaded and served by vLLM under all its names, with LoRA adapters${because}`,
  ignore,
  fn: async () => {
    await using hub = await startHub({ repos: [{ id: MODEL, files }] });
    const directory = await Deno.makeTempDir();
    const adapter = `${directory}/adapters/poet`;
    await writeFiles(adapter, makeAdapter());
    const engineArgs = {
      "served-model-name": ["poems", "poems"],
      "enable-lora": true,
      "lora-modules": [`poet=${adapter}`],
      // Removed in 0.18, so aim drops it.
      "swap-space": 4,
    };
    const env = {
      HF_ENDPOINT: hub.url,
      AIM_CACHE_PATH: `${directory}/cache`,
      AIM_ENGINE_ARGS: JSON.stringify(engineArgs),
    };
    {
      await using server = await serving(python, [MODEL, ...EAGER], env);
      assertEquals(await names(server), [MODEL, "poems", "poet"]);
      const [base, poet] = [await complete(server, MODEL), await complete(server, "poet")];
      assert(base.length > 0 && base !== poet, `${base} | ${poet}`);
      await chats(server, "poems");
      console.log(transcript(await server.log(), server.ready));
      assertEquals(await server.stop().then(({ code }) => code), 0);
    }
    // Offline, from the first run's cache, read-only if possible; adapters are added and removed meanwhile.
    await hub.close();
    await Deno.mkdir(`${directory}/profiles/custom/general`, { recursive: true });
    await Deno.writeTextFile(`${directory}/profiles/custom/general/adapted.yaml`, ADAPTED);
    const offline = {
      ...env,
      HF_HUB_OFFLINE: "1",
      AIM_ENGINE_ARGS: "{}",
      AIM_PROFILE_PATH: `${directory}/profiles`,
      AIM_PROFILE_ID: "custom/general/adapted",
      AIM_ADAPTER_MODE: "dynamic",
      AIM_ADAPTER_SOURCE: `${directory}/adapters`,
      AIM_ADAPTER_REFRESH_INTERVAL: "5",
    };
    await Deno.remove(adapter, { recursive: true });
    await using server = await serving(
      python,
      [MODEL, ...EAGER],
      offline,
      readOnly(`${directory}/cache`) ?? [],
    );
    assertEquals(await names(server), [MODEL]);
    const base = await complete(server, MODEL);
    await writeFiles(adapter, makeAdapter());
    await until(async () => (await names(server)).includes("poet"));
    assert(await complete(server, "poet") !== base);
    await Deno.remove(adapter, { recursive: true });
    await until(async () => !(await names(server)).includes("poet"));
    await server.stop();
    await Deno.remove(directory, { recursive: true });
  },
});

const ceph = ignore ? { skip: "vLLM is not available" } : await startCeph();
const store = "skip" in ceph ? "the test S3" : "Ceph";

Deno.test({
  name: `a model from S3 (${store}) is served from its local directory${because}`,
  ignore,
  fn: async () => {
    const directory = await Deno.makeTempDir();
    const objects = Object.fromEntries(
      Object.entries(files).map(([path, bytes]) => [`${MODEL}/${path}`, bytes]),
    );
    const s3 = "skip" in ceph ? await startS3({ buckets: { models: objects } }) : ceph;
    if (!("skip" in ceph)) await upload(ceph.env, objects);
    try {
      const env = { ...s3.env, AIM_CACHE_PATH: `${directory}/cache` };
      await using server = await serving(python, [`s3://models/${MODEL}`, ...EAGER], env);
      assertEquals(await names(server), [MODEL]);
      assert((await complete(server, MODEL)).length > 0);
      assert((await server.log()).includes(`from=${directory}/cache/${MODEL}`), await server.log());
    } finally {
      await s3.close();
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test({
  name: `a Python without vLLM is exit code 9 before any download${because}`,
  ignore,
  fn: async () => {
    await using hub = await startHub({ repos: [{ id: MODEL, files }] });
    const directory = await Deno.makeTempDir();
    await Deno.mkdir(`${directory}/bin`);
    await Deno.symlink(await Deno.realPath(`${python}/bin/python3`), `${directory}/bin/python`);
    const { code, stderr } = await aim(["serve", MODEL], {
      env: {
        PATH: `${directory}/bin:/usr/bin:/bin`,
        HF_ENDPOINT: hub.url,
        AIM_ACCELERATOR_TYPE: "cpu",
        AIM_CACHE_PATH: `${directory}/cache`,
      },
    });
    assertEquals([code, hub.requests.length], [9, 0], stderr);
    await Deno.remove(directory, { recursive: true });
  },
});

/** aim's log lines until it became the engine, and the time they took. */
function transcript(log: string, ready: number): string {
  const own = log.split("\n").filter((line) => /^\S+Z (INFO|WARNING) /.test(line));
  const [first = "", last = ""] = [own[0], own.at(-1)].map((line) => line?.split(" ", 1)[0] ?? "");
  return [
    ...own,
    `aim: ${Date.parse(last) - Date.parse(first)} ms from its first line to its last; vLLM answered ${
      Math.round(ready)
    } ms after aim was started`,
  ].join("\n");
}

async function names(server: Serving): Promise<string[]> {
  const { data } = await (await fetch(`${server.url}/v1/models`)).json();
  return data.map((model: { id: string }) => model.id);
}

async function complete(server: Serving, model: string): Promise<string> {
  const answer = await post(server, "completions", {
    model,
    prompt: "Once upon a time",
    max_tokens: 8,
    temperature: 0,
  });
  assertEquals(answer.usage.completion_tokens, 8);
  return answer.choices[0].text;
}

async function chats(server: Serving, model: string): Promise<void> {
  const messages = [{ role: "user", content: "Good morning" }];
  const answer = await post(server, "chat/completions", { model, messages, max_tokens: 4, ignore_eos: true });
  assertEquals(answer.usage.completion_tokens, 4);
}

async function post(server: Serving, path: string, body: unknown) {
  const response = await fetch(`${server.url}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  assertEquals(response.status, 200, JSON.stringify(answer));
  return answer;
}

/**
 * Waits up to two minutes: the watcher checks every five seconds, and loading is slow on a busy machine.
 */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 120_000;
  while (!await holds()) {
    assert(performance.now() < end, "the condition did not become true in time");
    await new Promise((done) => setTimeout(done, 500));
  }
}

async function writeFiles(directory: string, contents: Record<string, Uint8Array>): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  for (const [name, bytes] of Object.entries(contents)) await Deno.writeFile(`${directory}/${name}`, bytes);
}

async function upload(
  env: Readonly<Record<string, string>>,
  objects: Record<string, Uint8Array>,
): Promise<void> {
  const { CreateBucketCommand, PutObjectCommand, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client({
    endpoint: env.AWS_ENDPOINT_URL ?? "",
    region: "us-east-1",
    forcePathStyle: true,
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? "",
    },
  });
  await client.send(new CreateBucketCommand({ Bucket: "models" })).catch(() => {});
  for (const [Key, Body] of Object.entries(objects)) {
    await client.send(new PutObjectCommand({ Bucket: "models", Key, Body }));
  }
  client.destroy();
}
