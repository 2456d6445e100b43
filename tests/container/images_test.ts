import { safetensorsBytes } from "../servers/content.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { e2e } from "../e2e/e2e.ts";
import { executable } from "../e2e/executable.ts";
import { startCeph } from "../servers/ceph.ts";
import { startHub } from "../servers/hub_server.ts";
import { type ImageConfig, Images } from "./images.ts";
import { type Container, podOf, readManifests } from "./manifests.ts";
import { stubBase } from "./stub_base.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const LLAMA = "meta-llama/Llama-3.1-8B-Instruct";
const WEIGHTS = safetensorsBytes(3_000_000);
const MODEL = { "config.json": '{"model_type":"llama"}\n', "model.safetensors": WEIGHTS };
const BYTES = 3_000_023;
/** What stands in for a GPU. */
const GPU = { AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1" };

await e2e("the images, built and run", { programs: ["buildah"] }, async (t) => {
  await executable();
  await using images = await Images.open();
  await using hub = await startHub({ repos: [LLAMA, "org/model"].map((id) => ({ id, files: MODEL })) });
  const scratch = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "aim-volumes-" });
  const volume = async (name: string) => {
    const path = `${scratch}/${name}`;
    await Deno.mkdir(path);
    await Deno.chown(path, 1000, 1000);
    return path;
  };
  const online = { HF_ENDPOINT: hub.url };

  try {
    await t.step("all three are built by buildah from their Dockerfiles", async () => {
      await images.load("stub-vllm", await stubBase());
      const about = { VERSION: "1.2.3", REVISION: "0123456789abcdef" };
      await images.build("aim-base", "Dockerfile.aim-base", { BASE: "localhost/stub-vllm", ...about });
      await images.build("aim", "Dockerfile.aim", { BASE: "localhost/aim-base", AIM_ID: LLAMA, ...about });
      await images.build("downloader", "Dockerfile.downloader", { BASE: "localhost/stub-vllm", ...about });
    });

    await t.step(
      "labels, stop signal, entry point and user are as documented; nothing secret is in them",
      async () => {
        const bases = { "aim-base": "stub-vllm", aim: "aim-base", downloader: "stub-vllm" };
        for (const [tag, base] of Object.entries(bases)) {
          const { config, history } = await images.inspect(tag);
          const label = (name: string) => config.Labels?.[`org.opencontainers.image.${name}`] ?? "";
          assertStringIncludes(label("title"), "aim");
          assertEquals(label("version"), "1.2.3");
          assertEquals(label("revision"), "0123456789abcdef");
          assertEquals(label("base.name"), `localhost/${base}`);
          assertEquals(label("licenses"), "MIT");
          assertEquals(config.StopSignal, "SIGTERM");
          assertEquals(config.Healthcheck, undefined);
          assertEquals(config.Entrypoint, tag === "downloader" ? ["/entrypoint.sh"] : ["aim"]);
          assertEquals(config.User ?? "", tag === "downloader" ? "1000:1000" : "");
          assert(!/token|secret|password|_key/i.test(JSON.stringify([config.Env, history])));
        }
        assertEquals(envOf(await images.inspect("aim-base"), "HF_HOME"), "/workspace/model-cache");
        assertEquals(envOf(await images.inspect("aim-base"), "AIM_CACHE_PATH"), "/workspace/model-cache");
        assertEquals(envOf(await images.inspect("aim-base"), "AIM_ALLOW_GENERAL_PROFILE_FALLBACK"), "true");
        assertEquals(envOf(await images.inspect("aim"), "AIM_ID"), LLAMA);
        assertEquals(envOf(await images.inspect("aim"), "AIM_ALLOW_GENERAL_PROFILE_FALLBACK"), "false");
        assertEquals(envOf(await images.inspect("aim"), "AIM_EMBEDDED_PROFILES"), "false");
      },
    );

    await t.step(
      "the last instruction of base and downloader copies the binary, so that it alone changes",
      async () => {
        for (const name of ["aim-base", "downloader"]) {
          const lines = (await Deno.readTextFile(`${ROOT}container/Dockerfile.${name}`)).trimEnd().split(
            "\n",
          );
          assertEquals(lines.at(-1), "COPY --chmod=0755 ${AIM} /usr/local/bin/aim");
        }
      },
    );

    await t.step(
      "a model's image has its profiles and no others, and is not built without a model",
      async () => {
        const files = await images.files("aim");
        const found = await find(`${files}/workspace/aim-runtime/profiles`);
        assert(found.length > 0 && found.every((path) => path.startsWith(`${LLAMA}/`)), found.join(" "));
        let message = "";
        try {
          await images.build("nobody", "Dockerfile.aim", { BASE: "localhost/aim-base" });
        } catch (error) {
          message = String(error);
        }
        assertStringIncludes(message, "give --build-arg AIM_ID=org/model");
      },
    );

    await t.step("aim --version and help run as any user with a read-only root", async () => {
      for (const uid of [0, 1000, 4711]) {
        const { code, log } = await images.runToEnd("aim-base", { uid, readOnly: true, args: ["--version"] });
        assertEquals(code, 0, log);
        assertMatch(log, /^aim \d+\.\d+\.\d+ /);
      }
    });

    await t.step("the operator's job: entry point as user 1000, read-only root, into /cache", async () => {
      const cache = await volume("operator");
      const job = {
        readOnly: true,
        volumes: { "/cache": cache },
        env: {
          ...online,
          TARGET_DIR: "/cache",
          HF_HOME: "/tmp/.hf",
          TMPDIR: "/tmp/",
          AIM_DOWNLOADER_PROTOCOL: "XET,HF_TRANSFER",
          EXPECTED_SIZE_BYTES: `${BYTES}`,
          STALL_TIMEOUT: "120",
        },
      };
      const size = await images.runToEnd("downloader", {
        ...job,
        command: ["/check-size.sh"],
        args: ["hf://org/model"],
      });
      assertEquals(size.code, 0, size.log);
      const line = size.log.trimEnd().split("\n").at(-1) ?? "";
      assertEquals(JSON.parse(line), { url: "hf://org/model", sizeBytes: BYTES });
      const { code, log } = await images.runToEnd("downloader", { ...job, args: ["hf://org/model"] });
      assertEquals(code, 0, log);
      assertEquals(await Deno.readFile(`${cache}/model.safetensors`), WEIGHTS);
      assertEquals((await Deno.stat(`${cache}/model.safetensors`)).uid, 1000);
      const denied = await images.runToEnd("downloader", { ...job, args: ["hf://org/nothing"] });
      assertEquals(denied.code, 5, denied.log);
    });

    await t.step("KServe's initializer fills /mnt/models", async () => {
      const models = await volume("kserve");
      const storage = await containerOf("ClusterStorageContainer");
      const { code, log } = await images.runToEnd("downloader", {
        command: storage.command,
        args: ["hf://org/model:main", "/mnt/models"],
        volumes: { "/mnt/models": models },
        env: { ...online, ...plainEnv(storage) },
      });
      assertEquals(code, 0, log);
      const runtime = await containerOf("ClusterServingRuntime");
      const served = await images.run("aim-base", {
        args: runtime.args,
        uid: 1000,
        readOnly: true,
        offline: true,
        volumes: { "/mnt/models": models },
        // KServe fills in the service's name.
        env: { ...plainEnv(runtime), ...GPU, AIM_CUSTOM_MODEL_NAME: "my-service" },
      });
      await served.printed("engine listens");
      assertEquals(await served.get("http://127.0.0.1:8080/health"), 200);
      served.kill("SIGTERM");
      assertEquals(await served.ended, 0);
      const words = argumentsIn(await served.stdout());
      assertEquals(after(words, "--model"), "/mnt/models");
      assertEquals(after(words, "--served-model-name"), "my-service");
    });

    await t.step(
      "the job's manifest fills a volume that the deployment's serves without network",
      async () => {
        const cache = await volume("model");
        const at = `/workspace/model-cache/${LLAMA}`;
        const job = await containerOf("Job");
        const shared = await sharedSettings();
        const download = {
          command: job.command,
          args: job.args,
          uid: 1000,
          readOnly: true,
          volumes: { [at]: cache },
          env: { ...shared, ...plainEnv(job), ...online },
        };
        assertEquals(job.volumeMounts?.some(({ mountPath }) => mountPath === at), true);
        const first = await images.runToEnd("downloader", download);
        assertEquals(first.code, 0, first.log);
        const sent = hub.bytesSent();
        const again = await images.runToEnd("downloader", download);
        assertEquals(again.code, 0, again.log);
        assertStringIncludes(again.log, "nothing to download");
        assertEquals(hub.bytesSent(), sent);

        const serve = await containerOf("Deployment");
        const before = hub.requests.length;
        const served = await images.run("aim", {
          args: serve.args,
          uid: 1000,
          readOnly: true,
          offline: true,
          volumes: { [at]: cache },
          env: { ...shared, ...plainEnv(serve), ...GPU },
        });
        await served.printed("engine listens");
        assertEquals(await served.get("http://127.0.0.1:8000/health"), 200);
        assertEquals(await served.get("http://127.0.0.1:8000/other"), 404);
        const log = await served.stdout();
        const words = argumentsIn(log);
        assertEquals(after(words, "--model"), at);
        assertEquals(after(words, "--served-model-name"), LLAMA);
        assertEquals(after(words, "--port"), "8000");
        assertStringIncludes(log, "pid 1 uid 1000");
        assertMatch(log, /^fds 0 1 2$/m);
        assertStringIncludes(log, `file model.safetensors ${WEIGHTS.length}`);
        assertEquals(hub.requests.length, before);
        served.kill("SIGTERM");
        assertEquals(await served.ended, 0);
        assertStringIncludes(await served.stdout(), "engine stopped");
      },
    );

    await t.step("an empty volume is no model: the air-gapped engine says so and ends with 5", async () => {
      const cache = await volume("empty");
      const { code, log } = await images.runToEnd("aim", {
        uid: 1000,
        readOnly: true,
        offline: true,
        volumes: { [`/workspace/model-cache/${LLAMA}`]: cache },
        env: { ...GPU, HF_HUB_OFFLINE: "1", AIM_PRECISION: "fp16" },
      });
      assertEquals(code, 5, log);
    });

    await t.step(
      "as root, a cold start downloads and becomes the engine; a second one moves nothing",
      async () => {
        const cache = await volume("root");
        const start = {
          uid: 0,
          volumes: { "/workspace/model-cache": cache },
          env: { ...online, ...GPU, AIM_MODEL_ID: "org/model" },
        };
        for (const moved of [true, false]) {
          const sent = hub.bytesSent();
          const served = await images.run("aim-base", start);
          await served.printed("engine listens");
          const log = await served.stdout();
          assertStringIncludes(log, "pid 1 uid 0");
          assertStringIncludes(log, "HF_HUB_OFFLINE 1");
          assertEquals(after(argumentsIn(log), "--model"), "org/model");
          assertEquals(hub.bytesSent() > sent, moved);
          served.kill("SIGTERM");
          assertEquals(await served.ended, 0);
        }
      },
    );

    await t.step(
      "the operator's discovery: JSON alone is found in the mixed log of an unprivileged user",
      async () => {
        const { code, log } = await images.runToEnd("aim", {
          args: ["dry-run", "--format=json"],
          uid: 1000,
          readOnly: true,
          env: { ...online, ...GPU, AIM_LOG_LEVEL: "CRITICAL" },
        });
        assertEquals(code, 0, log);
        const [found] = JSON.parse(log.slice(log.lastIndexOf("\n[") + 1)) as [
          { filename: string; profile: { aim_id: string; metadata: unknown }; models: { source: string }[] },
        ];
        assertEquals(found.profile.aim_id, LLAMA);
        assertStringIncludes(found.filename, "mi300x");
        assertMatch(found.models[0]?.source ?? "", /^hf:\/\//);
      },
    );

    await t.step(
      "SIGTERM in the middle of a download ends it with 143, and the next run goes on",
      async () => {
        const cache = await volume("stopped");
        const options = {
          command: ["aim"],
          args: ["download-to-cache", "--model-id", "hf://org/model", "--part-size", "65536"],
          readOnly: true,
          volumes: { "/workspace/model-cache": cache },
          env: { ...online },
        };
        hub.faults.push({ kind: "slow", rate: 100_000, file: "model.safetensors" });
        const running = await images.run("downloader", options);
        await running.printed("downloading");
        const sent = hub.bytesSent();
        while (hub.bytesSent() - sent < 1_500_000) await new Promise((resolve) => setTimeout(resolve, 50));
        running.kill("SIGTERM");
        assertEquals(await running.ended, 143);
        hub.faults.length = 0;
        const { code, log } = await images.runToEnd("downloader", options);
        assertEquals(code, 0, log);
        assertEquals(await Deno.readFile(`${cache}/org/model/model.safetensors`), WEIGHTS);
      },
    );

    await t.step(
      "the same from a real Ceph: downloaded with keys, served without keys and network",
      async () => {
        const ceph = await startCeph();
        if ("skip" in ceph) return console.log(`skipped: ${ceph.skip}`);
        await using _ = ceph;
        const bucket = `images-${crypto.randomUUID()}`;
        const { CreateBucketCommand, PutObjectCommand, S3Client } = await import("@aws-sdk/client-s3");
        const client = new S3Client({
          endpoint: ceph.url,
          forcePathStyle: true,
          region: "us-east-1",
          credentials: { accessKeyId: ceph.accessKey, secretAccessKey: ceph.secretKey },
        });
        await client.send(new CreateBucketCommand({ Bucket: bucket }));
        for (const [name, content] of Object.entries(MODEL)) {
          const Body = typeof content === "string" ? new TextEncoder().encode(content) : content;
          await client.send(new PutObjectCommand({ Bucket: bucket, Key: `models/org/llama/${name}`, Body }));
        }
        client.destroy();
        const uri = `s3://${bucket}/models/org/llama`;
        const cache = await volume("ceph");
        const volumes = { "/workspace/model-cache": cache };
        const keys = {
          AWS_ENDPOINT_URL: ceph.url,
          AWS_ACCESS_KEY_ID: ceph.accessKey,
          AWS_SECRET_ACCESS_KEY: ceph.secretKey,
        };
        const download = await images.runToEnd("downloader", {
          command: ["aim"],
          args: ["download-to-cache", "--model-id", uri],
          readOnly: true,
          volumes,
          env: keys,
        });
        assertEquals(download.code, 0, download.log);
        assertEquals(await Deno.readFile(`${cache}/org/llama/model.safetensors`), WEIGHTS);
        const served = await images.run("aim-base", {
          uid: 1000,
          readOnly: true,
          offline: true,
          volumes,
          env: { ...GPU, AIM_MODEL_ID: uri },
        });
        await served.printed("engine listens");
        assertEquals(await served.get("http://127.0.0.1:8000/health"), 200);
        const words = argumentsIn(await served.stdout());
        assertEquals(after(words, "--model"), "/workspace/model-cache/org/llama");
        assertEquals(after(words, "--served-model-name"), "org/llama");
        served.kill("SIGTERM");
        assertEquals(await served.ended, 0);
      },
    );
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
});

async function containerOf(kind: string): Promise<Container> {
  const found = (await readManifests()).find(({ manifest }) => manifest.kind === kind)?.manifest;
  assert(found !== undefined, kind);
  const single = (found.spec as { container?: Container }).container;
  const container = single ?? podOf(found)?.containers[0];
  assert(container !== undefined, kind);
  return container;
}

/** The variables that a manifest gives a value. */
function plainEnv(container: Container): Record<string, string> {
  const env = (container.env ?? []).flatMap(({ name, value }) => value === undefined ? [] : [[name, value]]);
  return Object.fromEntries(env);
}

/** What the generated ConfigMap holds. */
async function sharedSettings(): Promise<Record<string, string>> {
  const base = (await readManifests()).find(({ file }) => file === "base/kustomization.yaml")
    ?.manifest as unknown as {
      configMapGenerator: { literals: string[] }[];
    };
  return Object.fromEntries(base.configMapGenerator[0]?.literals.map((pair) => pair.split("=")) ?? []);
}

function envOf(image: ImageConfig, name: string): string | undefined {
  return image.config.Env?.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The engine's arguments, as it has printed them. */
function argumentsIn(log: string): string[] {
  return log.split("\n").filter((line) => line.startsWith("arg ")).map((line) => line.slice(4));
}

function after(words: readonly string[], flag: string): string | undefined {
  return words[words.indexOf(flag) + 1];
}

async function find(directory: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(directory)) {
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory) found.push(...await find(`${directory}/${entry.name}`, `${path}/`));
    else found.push(path);
  }
  return found;
}
