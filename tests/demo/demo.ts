// The main use of aim on loopback, run by `deno task demo`: a hub and an S3 endpoint with a tiny but real
// model, and each command as a user types it. With `--engine vllm` the last step serves with vLLM on this
// machine's CPU. Exits 0 if every command printed the expected output, and leaves no files behind.
import { HOSTS, makeTree, type Tree } from "../gpu/fixtures.ts";
import { makeModel } from "../fixtures/model/make_model.ts";
import { virtualContent } from "../servers/content.ts";
import { type HubServer, startHub } from "../servers/hub_server.ts";
import { type S3Server, startS3 } from "../servers/s3_server.ts";
import { serving } from "../vllm/serving.ts";
import { vllmEnv } from "../vllm/vllm_env.ts";
import { Shell, type Shown } from "./shell.ts";

const MODEL = "example/tiny-llama";
const SHARDS = "example/four-shards";
const FROM_S3 = "example/tiny-llama-s3";
const WEIGHTS = "model-00001-of-00002.safetensors";
const SCRIPT = new URL("stub_engine.sh", import.meta.url);

const python = Deno.args.join(" ").endsWith("--engine vllm") ? await realEngine() : null;
const started = performance.now();
const files = makeModel();
const work = await Deno.makeTempDir({ prefix: "aim-demo-" });
const hub = await startHub({ repos: [{ id: MODEL, files }, { id: SHARDS, files: shards() }] });
const s3 = await startS3({ buckets: { models: objects() } });
const trees: Tree[] = [];
const shell = new Shell(new URL("../../main.ts", import.meta.url));
let failure: unknown = null;
try {
  await demonstrate(hub, s3);
} catch (error) {
  failure = error;
} finally {
  await hub.close();
  await s3.close();
  for (const tree of trees) await tree[Symbol.asyncDispose]();
  await Deno.remove(work, { recursive: true });
}
if (failure === null) {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  shell.comment(`Everything worked, in ${seconds} s. The servers are stopped, ${work} is removed.`);
} else {
  console.error(`\nthe demo failed: ${failure instanceof Error ? failure.message : failure}`);
}
Deno.exit(failure === null ? 0 : 1);

async function demonstrate(hub: HubServer, s3: S3Server): Promise<void> {
  const cache = `${work}/cache`;
  shell.comment(
    "A hub and an S3 endpoint run on this machine, each with a Llama of random weights (3 MB): config, tokenizer, two shards.",
    "No other network is used.",
  );
  shell.export({ HF_ENDPOINT: hub.url, AIM_CACHE_PATH: cache });
  await Deno.mkdir(`${work}/profiles`);
  shell.set({ HF_HOME: cache, AIM_PROFILE_PATH: `${work}/profiles` });

  shell.comment("Which AMD GPUs does this machine have, and how does aim know?");
  const gpus = await shell.aim("gpus");
  if (!(await sees(shell))) {
    shell.comment(
      "This machine has none. From here on, aim reads the /sys and /dev of a host with eight MI300X.",
    );
    const tree = await makeTree(HOSTS.MI300X);
    trees.push(tree);
    shell.export({ AIM_SYSFS_ROOT: tree.sys, AIM_DEV_ROOT: tree.dev });
    shows(await shell.aim("gpus"), /8 x MI300X/);
  } else shows(gpus, /MI\d+/);

  shell.comment(
    "Which profiles fit these GPUs and the model? The model has no profiles of its own, so general ones are used.",
  );
  shell.export({ AIM_MODEL_ID: MODEL });
  shows(await shell.aim("list-profiles", "--state", "compatible"), /general\/\S+/);

  shell.comment("Download a model of 128 MiB from a hub that sends 3 MB/s per connection.");
  hub.faults.push({ kind: "slow", rate: 3e6 });
  shows(await shell.aim("download-to-cache", SHARDS), `${cache}/${SHARDS}`);
  hub.faults.length = 0;

  shell.comment("Download from the hub into a local directory. Files are checked against the hub's digests.");
  shows(await shell.aim("download-to-cache", "--model-id", `hf://${MODEL}`), `${cache}/${MODEL}`);
  await same(`${cache}/${MODEL}`);

  shell.comment("A second run downloads nothing.");
  const before = hub.bytesSent();
  await shell.aim("download-to-cache", "--model-id", `hf://${MODEL}`);
  expect(hub.bytesSent() === before, "the second run downloaded files");

  shell.comment("Where will serve find the model?");
  shows(await shell.aim("resolve"), `${cache}/${MODEL}`);

  shell.comment(
    "What would serve do? The reasons for the profile, the model's path, and the script; --model is the local directory.",
  );
  shows(await shell.aim("dry-run"), `--model ${cache}/${MODEL}`);

  shell.comment("The same model in the Hugging Face cache, in the layout of Python's libraries.");
  await shell.aim("download-to-cache", "--model-id", `hf://${MODEL}`, "--use-hf-cache");
  const snapshot = `${cache}/hub/models--example--tiny-llama/snapshots/${hub.commit(MODEL)}`;
  await same(snapshot);
  shows(
    await shell.run("ls", "-1", `${cache}/hub/models--example--tiny-llama/blobs`),
    hub.digests(MODEL, WEIGHTS).sha256,
  );

  shell.comment("Download from S3. The local name is the end of the prefix.");
  shell.export({ AWS_ENDPOINT_URL: s3.url, AWS_ACCESS_KEY_ID: s3.accessKey });
  shell.exportSecret("AWS_SECRET_ACCESS_KEY", s3.secretKey);
  shell.set({
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
  });
  shows(await shell.aim("download-to-cache", "--model-id", `s3://models/${FROM_S3}`), `${cache}/${FROM_S3}`);
  await same(`${cache}/${FROM_S3}`);

  shell.comment(
    "Serve. Instead of vLLM, a shell script named python3 prints how it was started. Its PID must be aim's,",
    "because aim does not start the engine as a child: it becomes the engine.",
  );
  const engines = await installEngine();
  shell.export({ PATH: `${engines}:$PATH` });
  const served = await shell.aim("serve", "--port", "8080", "--engine-args", '{"max-model-len": 2048}');
  shows(served, `PID ${served.pid}\n`);
  shows(served, `  --model\n  ${cache}/${MODEL}\n`);
  shows(served, "  --max-model-len\n  2048\n");
  shows(served, `  --port\n  8080\n  --served-model-name\n  ${MODEL}\n`);

  shell.comment(
    "Air-gapped: the servers are stopped, only the Hugging Face cache is left, and the model is still served.",
  );
  await hub.close();
  await s3.close();
  await Deno.remove(`${cache}/${MODEL}`, { recursive: true });
  const offline = await shell.aim("serve");
  shows(offline, `PID ${offline.pid}\n`);
  shows(offline, `  --model\n  ${MODEL}\n`);
  shows(offline, "  HF_HUB_OFFLINE=1\n");
  if (python !== null) await serveWithVllm(python, cache);
}

async function serveWithVllm(python: string, cache: string): Promise<void> {
  shell.comment("The same with vLLM on this machine's CPU.");
  const args = [MODEL, "--", "--enforce-eager", "--host", "127.0.0.1"];
  shell.note(`AIM_ACCELERATOR_TYPE=cpu aim serve ${args.join(" ")}`);
  await using server = await serving(python, args, { AIM_CACHE_PATH: cache, HF_HUB_OFFLINE: "1" });
  const prompt = "Once upon a time";
  const shown = await shell.run(
    ...["curl", "-s", `${server.url}/v1/completions`, "-H", "content-type: application/json", "-d"] as const,
    JSON.stringify({ model: MODEL, prompt, max_tokens: 8 }),
  );
  shows(shown, `"model":"${MODEL}"`);
  shell.note(
    `ready ${(server.ready / 1000).toFixed(1)} s after aim was started; the weights are random`,
  );
  const { code } = await server.stop();
  expect(code === 0, `vLLM ended with ${code}`);
}

async function realEngine(): Promise<string> {
  const env = await vllmEnv();
  if (typeof env === "string") return env;
  console.error(`vLLM is not available: ${env.skip}`);
  Deno.exit(1);
}

function shards() {
  const shard = (seed: number) => virtualContent({ size: 32 << 20, seed });
  return Object.fromEntries([1, 2, 3, 4].map((at) => [`model-0000${at}-of-00004.safetensors`, shard(at)]));
}

function objects(): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(files).map(([path, bytes]) => [`${FROM_S3}/${path}`, bytes]));
}

/** Whether aim finds GPUs on this machine. */
async function sees(shell: Shell): Promise<boolean> {
  const { stdout } = await shell.quietly("gpus", "--format", "json");
  return /MI\d+/.test(stdout);
}

/** A directory for PATH with the stub engine under both names of Python. */
async function installEngine(): Promise<string> {
  const directory = `${work}/bin`;
  await Deno.mkdir(directory);
  for (const name of ["python", "python3"]) {
    await Deno.writeTextFile(`${directory}/${name}`, await Deno.readTextFile(SCRIPT), { mode: 0o755 });
  }
  return directory;
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

function shows(shown: Shown, what: string | RegExp): void {
  const found = typeof what === "string" ? shown.stdout.includes(what) : what.test(shown.stdout);
  expect(
    found,
    `"${shown.command}" does not print ${typeof what === "string" ? JSON.stringify(what) : what}`,
  );
}

/** Checks that the directory has every file of the model, byte for byte. */
async function same(directory: string): Promise<void> {
  for (const [path, bytes] of Object.entries(files)) {
    const there = await Deno.readFile(`${directory}/${path}`);
    const equal = there.length === bytes.length && there.every((byte, i) => byte === bytes[i]);
    expect(equal, `${directory}/${path} differs from its source`);
  }
  shell.note(`the demo: ${Object.keys(files).length} files, all equal to the source byte for byte`);
}
