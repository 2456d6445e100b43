import { safetensorsBytes } from "../servers/content.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { e2e } from "../e2e/e2e.ts";
import { executable } from "../e2e/executable.ts";
import { HOSTS, makeTree } from "../gpu/fixtures.ts";
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
/** Image names that `deno task image` uses. */
const [BASE, AIM, DOWNLOADER] = [
  "aim-base",
  `aim-${LLAMA.toLowerCase().replace("/", "-")}`,
  "aim-downloader",
];
/** Stands in for a GPU. */
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
    await t.step("the task builds all three images with buildah and lists them", async () => {
      await images.load("stub-vllm", await stubBase());
      const bases = ["--base", "localhost/stub-vllm", "--downloader-base", "localhost/stub-vllm"];
      const report = await images.task(
        ...bases,
        "--registry",
        "localhost",
        "--tag",
        "latest",
        "--aim-id",
        LLAMA,
      );
      for (const tag of [BASE, DOWNLOADER, AIM]) {
        assertStringIncludes(report, `built localhost/${tag}:latest`);
      }
    });

    await t.step(
      "labels, stop signal, entry point and user are as documented, without secrets",
      async () => {
        const bases = { [BASE]: "stub-vllm", [AIM]: "aim-base:latest", [DOWNLOADER]: "stub-vllm" };
        const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
        for (const [tag, base] of Object.entries(bases)) {
          const { config, history } = await images.inspect(tag);
          const label = (name: string) => config.Labels?.[`org.opencontainers.image.${name}`] ?? "";
          assertStringIncludes(label("title"), "aim");
          assertEquals(label("version"), version);
          assertEquals(label("base.name"), `localhost/${base}`);
          assertEquals(label("licenses"), "MIT");
          assertEquals(config.StopSignal, "SIGTERM");
          assertEquals(config.Healthcheck, undefined);
          assertEquals(config.Entrypoint, tag === DOWNLOADER ? ["/entrypoint.sh"] : ["aim"]);
          assertEquals(config.User ?? "", tag === DOWNLOADER ? "1000:1000" : "");
          assert(!/secret|password|_key/i.test(JSON.stringify([config.Env, history])));
          // HF_HOME defaults to AIM_CACHE_PATH, so one variable moves both layouts.
          assertEquals(envOf({ config }, "HF_HOME"), undefined);
          assertEquals(envOf({ config }, "AIM_CACHE_PATH"), "/workspace/model-cache");
        }
        const [base, aim] = [await images.inspect(BASE), await images.inspect(AIM)];
        const expected = {
          AIM_ALLOW_GENERAL_PROFILE_FALLBACK: "true",
          AIM_UPSTREAM_IMAGE_REF: "localhost/stub-vllm",
          AIM_ACCELERATOR_FAMILY: "instinct",
          AIM_ACCELERATOR_TYPE: "gpu",
          AIM_CONFIG_PATH: "/workspace/aim-runtime/config",
          HF_HUB_DISABLE_TELEMETRY: "1",
        };
        for (const [name, value] of Object.entries(expected)) assertEquals(envOf(base, name), value);
        assertEquals(envOf(aim, "AIM_ID"), LLAMA);
        assertEquals(envOf(aim, "AIM_BASE_IMAGE_REF"), "localhost/aim-base:latest");
        assertEquals(envOf(aim, "AIM_ALLOW_GENERAL_PROFILE_FALLBACK"), "false");
        assertEquals(envOf(aim, "AIM_EMBEDDED_PROFILES"), "false");
        const label = (name: string) => aim.config.Labels?.[`com.amd.aim.${name}`] ?? "";
        assertEquals([label("model.canonicalName"), label("hfToken.required")], [LLAMA, "True"]);
        const deployments: { gpuModel: string }[] = JSON.parse(label("model.recommendedDeployments"));
        assert(deployments.some(({ gpuModel }) => gpuModel === "MI300X"));
      },
    );

    await t.step(
      "the last instruction of base and downloader copies the program, so an update changes only that layer",
      async () => {
        for (const name of ["aim-base", "downloader"]) {
          const lines = (await Deno.readTextFile(`${ROOT}container/Dockerfile.${name}`)).trimEnd().split(
            "\n",
          );
          assertEquals(lines.at(-1), "COPY --from=program /opt/aim /opt/aim");
        }
      },
    );

    await t.step(
      "the program is unpacked, owned by root and read-only",
      async () => {
        for (const tag of [BASE, DOWNLOADER]) {
          const root = `${await images.files(tag)}/opt/aim`;
          // Only root may write to the directory itself.
          const own = await Deno.stat(root);
          assertEquals([own.uid, (own.mode ?? 0) & 0o022], [0, 0]);
          for (const path of await find(root)) {
            const { uid, gid, mode } = await Deno.lstat(`${root}/${path}`);
            assertEquals([uid, gid, (mode ?? 0) & 0o222], [0, 0, 0], path);
          }
        }
      },
    );

    await t.step("a modified executable fails the build", async () => {
      const copy = `${ROOT}dist/damaged`;
      const sums = await Deno.readTextFile(`${ROOT}dist/SHA256SUMS`);
      await Deno.copyFile(`${ROOT}dist/aim`, copy);
      try {
        const digest = /^([0-9a-f]{64}) {2}aim$/m.exec(sums)?.[1];
        await Deno.writeTextFile(`${ROOT}dist/SHA256SUMS`, `${sums}${digest}  damaged\n`);
        using file = await Deno.open(copy, { write: true });
        await file.seek(60_000_000, Deno.SeekMode.Start);
        await file.write(new TextEncoder().encode("four"));
        const message = await messageOf(() =>
          images.build("damaged", "Dockerfile.downloader", {
            BASE: "localhost/stub-vllm",
            AIM: "dist/damaged",
          })
        );
        assertStringIncludes(message, "is not the executable that SHA256SUMS describes");
      } finally {
        await Deno.writeTextFile(`${ROOT}dist/SHA256SUMS`, sums);
        await Deno.remove(copy);
      }
    });

    await t.step(
      "a model's image has its own and the general profiles; without own profiles the error suggests aim-base",
      async () => {
        const profiles = async (tag: string) =>
          await find(`${await images.files(tag)}/workspace/aim-runtime/profiles`);
        assertEquals(
          (await profiles(BASE)).sort(),
          (await find(`${ROOT}profiles/general`, "general/")).sort(),
        );
        const own = (await profiles(AIM)).filter((path) => !path.startsWith("general/"));
        assertEquals(own.sort(), (await find(`${ROOT}profiles/${LLAMA}`, `${LLAMA}/`)).sort());
        for (
          const [AIM_ID, says] of [["", "give --build-arg AIM_ID=org/model"], [
            "org/none",
            "run aim-base with AIM_MODEL_ID=org/none",
          ]] as const
        ) {
          const message = await messageOf(() =>
            images.build("none", "Dockerfile.aim", { BASE: "localhost/aim-base", AIM_ID })
          );
          assertStringIncludes(message, says);
        }
        assertStringIncludes(
          await messageOf(() => images.task("--aim-id", "org/none")),
          "run aim-base with AIM_MODEL_ID=org/none",
        );
      },
    );

    await t.step(
      "starts under each of its names, as any user, with a read-only root and a read-only /tmp",
      async () => {
        for (const uid of [0, 1000, 65532]) {
          for (
            const command of [["aim"], ["aim-runtime"], ["/workspace/entrypoint.py"], [
              "python3",
              "./entrypoint.py",
            ]]
          ) {
            const { code, log } = await images.runToEnd(BASE, {
              uid,
              readOnly: true,
              tmp: "ro,mode=555",
              command,
              args: ["--version"],
            });
            assertEquals(code, 0, log);
            assertMatch(log, /^aim \d+\.\d+\.\d+ /);
          }
        }
        const downloader = await images.runToEnd(DOWNLOADER, {
          readOnly: true,
          tmp: "ro,mode=555",
          command: ["aim"],
          args: ["__self-test"],
        });
        assertEquals(downloader.code, 0, downloader.log);
      },
    );

    await t.step("AIM Engine's discovery script finds the general and the model's profiles", async () => {
      for (const [tag, folders] of [[BASE, ["general"]], [AIM, [LLAMA, "general"]]] as const) {
        const { code, log } = await images.runToEnd(tag, {
          command: ["/bin/sh", "-c"],
          args: [DISCOVERY],
          readOnly: true,
          tmp: "ro",
        });
        assertEquals(code, 0, log);
        const records = new Map<string, string>();
        for (
          const [, path = "", line = ""] of log.matchAll(/^@@BEGIN (.*)@@\n([A-Za-z0-9+/=]+)\n@@END@@$/gm)
        ) {
          records.set(path, new TextDecoder().decode(Uint8Array.fromBase64(line)));
        }
        const expected = (await Promise.all(folders.map((folder) =>
          find(`${ROOT}profiles/${folder}`, `${folder}/`)
        ))).flat();
        assertEquals([...records.keys()].sort(), expected.sort());
        for (const [path, text] of records) {
          assertEquals(text, await Deno.readTextFile(`${ROOT}profiles/${path}`));
        }
        const [aimId, base] = tag === AIM ? [LLAMA, "localhost/aim-base:latest"] : ["", ""];
        assertStringIncludes(log, `\n@@ENV AIM_ID=${aimId}@@\n@@ENV AIM_BASE_IMAGE_REF=${base}@@\n`);
      }
    });

    await t.step(
      "AIM Engine's labeller detects the accelerators through both names of the runtime",
      async () => {
        const proc = `${scratch}/proc`;
        await Deno.mkdir(proc);
        const name = "AMD EPYC 9965 192-Core Processor";
        const cpus = [0, 1].map((n) =>
          `processor\t: ${n}\nvendor_id\t: AuthenticAMD\nmodel name\t: ${name}\n`
        );
        await Deno.writeTextFile(`${proc}/cpuinfo`, cpus.join("\n"));
        const gpu = (model: string, count: number) => ({
          accelerator_type: "GPU",
          accelerator_model: model,
          accelerator_count: count,
        });
        const cpu = { accelerator_type: "CPU", accelerator_model: "EPYC_9965", accelerator_count: 2 };
        const hosts = [
          [HOSTS.MI300X, "gpu", [gpu("MI300X", 8)]],
          [HOSTS["MI300X CPX"], "gpu", [gpu("MI300X", 8)]],
          [[], "gpu", []],
          [[], "all", [cpu]],
        ] as const;
        for (const [gpus, type, expected] of hosts) {
          await using tree = await makeTree(gpus);
          for (const command of [["aim-runtime"], ["python3", "/workspace/entrypoint.py"]]) {
            const { code, log } = await images.runToEnd(BASE, {
              command,
              args: ["detect-hardware", "--type", type, "--format", "json"],
              volumes: { "/host/sys": tree.sys, "/host/dev": tree.dev, "/host/proc": proc },
              env: { AIM_SYSFS_ROOT: "/host/sys", AIM_DEV_ROOT: "/host/dev", AIM_PROC_ROOT: "/host/proc" },
            });
            assertEquals([code, JSON.parse(log)], [0, expected]);
          }
        }
      },
    );

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
      const size = await images.runToEnd(DOWNLOADER, {
        ...job,
        command: ["/check-size.sh"],
        args: ["hf://org/model"],
      });
      assertEquals(size.code, 0, size.log);
      const line = size.log.trimEnd().split("\n").at(-1) ?? "";
      assertEquals(JSON.parse(line), { url: "hf://org/model", sizeBytes: BYTES });
      const { code, log } = await images.runToEnd(DOWNLOADER, { ...job, args: ["hf://org/model"] });
      assertEquals(code, 0, log);
      assertEquals(await Deno.readFile(`${cache}/model.safetensors`), WEIGHTS);
      assertEquals((await Deno.stat(`${cache}/model.safetensors`)).uid, 1000);
      const denied = await images.runToEnd(DOWNLOADER, { ...job, args: ["hf://org/nothing"] });
      assertEquals(denied.code, 5, denied.log);
    });

    await t.step("KServe's initializer fills /mnt/models", async () => {
      const models = await volume("kserve");
      const storage = await containerOf("ClusterStorageContainer");
      const { code, log } = await images.runToEnd(DOWNLOADER, {
        command: storage.command,
        args: ["hf://org/model:main", "/mnt/models"],
        volumes: { "/mnt/models": models },
        env: { ...online, ...plainEnv(storage) },
      });
      assertEquals(code, 0, log);
      const runtime = await containerOf("ClusterServingRuntime");
      const served = await images.run(BASE, {
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
      "the job's manifest fills a volume, and the deployment's serves from it without a network",
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
        const first = await images.runToEnd(DOWNLOADER, download);
        assertEquals(first.code, 0, first.log);
        const sent = hub.bytesSent();
        const again = await images.runToEnd(DOWNLOADER, download);
        assertEquals(again.code, 0, again.log);
        assertStringIncludes(again.log, "nothing to download");
        assertEquals(hub.bytesSent(), sent);

        const serve = await containerOf("Deployment");
        const before = hub.requests.length;
        const served = await images.run(AIM, {
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

    await t.step(
      "an air-gapped engine with an empty volume exits with 5",
      async () => {
        const cache = await volume("empty");
        const { code, log } = await images.runToEnd(AIM, {
          uid: 1000,
          readOnly: true,
          offline: true,
          volumes: { [`/workspace/model-cache/${LLAMA}`]: cache },
          env: { ...GPU, HF_HUB_OFFLINE: "1", AIM_PRECISION: "fp16" },
        });
        assertEquals(code, 5, log);
      },
    );

    await t.step(
      "as root, the first start downloads and execs the engine; the second downloads nothing",
      async () => {
        const cache = await volume("root");
        const start = {
          uid: 0,
          volumes: { "/workspace/model-cache": cache },
          env: { ...online, ...GPU, AIM_MODEL_ID: "org/model" },
        };
        for (const moved of [true, false]) {
          const sent = hub.bytesSent();
          const served = await images.run(BASE, start);
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
      "AIM Engine's first discovery job: user 65532, standard output and standard error in one log",
      async () => {
        const { code, log } = await images.runToEnd(AIM, {
          args: ["dry-run", "--format=json"],
          uid: 65532,
          env: {
            ...online,
            AIM_LOG_LEVEL: "CRITICAL",
            AIM_LOG_LEVEL_ROOT: "CRITICAL",
            AIM_METRIC: "latency",
            AIM_PRECISION: "fp16",
            AIM_GPU_MODEL: "MI300X",
            AIM_ACCELERATOR_MODEL: "MI300X",
            AIM_GPU_COUNT: "1",
            AIM_ACCELERATOR_COUNT: "1",
            AIM_PROFILE_ID: "",
          },
        });
        assertEquals(code, 0, log);
        const [found] = lastArray(log) as [
          { filename: string; profile: { aim_id: string; metadata: unknown }; models: { source: string }[] },
        ];
        assertEquals(found.profile.aim_id, LLAMA);
        assertStringIncludes(found.filename, "mi300x");
        assertMatch(found.models[0]?.source ?? "", /^hf:\/\//);
      },
    );

    await t.step(
      "SIGTERM during a download exits with 143, and the next run resumes",
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
        const running = await images.run(DOWNLOADER, options);
        await running.printed("downloading");
        const sent = hub.bytesSent();
        while (hub.bytesSent() - sent < 1_500_000) await new Promise((resolve) => setTimeout(resolve, 50));
        running.kill("SIGTERM");
        assertEquals(await running.ended, 143);
        hub.faults.length = 0;
        const before = hub.bytesSent();
        const { code, log } = await images.runToEnd(DOWNLOADER, options);
        assertEquals(code, 0, log);
        assertEquals(await Deno.readFile(`${cache}/org/model/model.safetensors`), WEIGHTS);
        assert(hub.bytesSent() - before < 2_500_000, `${hub.bytesSent() - before} bytes`);
      },
    );

    const ceph = await startCeph();
    await t.step({
      name: `from Ceph: downloads with keys, serves without keys or network${
        "skip" in ceph ? ` (skipped: ${ceph.skip})` : ""
      }`,
      ignore: "skip" in ceph,
      fn: async () => {
        if ("skip" in ceph) return;
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
        const download = await images.runToEnd(DOWNLOADER, {
          command: ["aim"],
          args: ["download-to-cache", "--model-id", uri],
          readOnly: true,
          volumes,
          env: keys,
        });
        assertEquals(download.code, 0, download.log);
        assertEquals(await Deno.readFile(`${cache}/org/llama/model.safetensors`), WEIGHTS);
        const served = await images.run(BASE, {
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
    });
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

/** The variables with a literal value. */
function plainEnv(container: Container): Record<string, string> {
  const env = (container.env ?? []).flatMap(({ name, value }) => value === undefined ? [] : [[name, value]]);
  return Object.fromEntries(env);
}

/** The content of the generated ConfigMap. */
async function sharedSettings(): Promise<Record<string, string>> {
  const base = (await readManifests()).find(({ file }) => file === "base/kustomization.yaml")
    ?.manifest as unknown as {
      configMapGenerator: { literals: string[] }[];
    };
  return Object.fromEntries(base.configMapGenerator[0]?.literals.map((pair) => pair.split("=")) ?? []);
}

/** The script of AIM Engine's second discovery job, rewritten from its description. */
const DISCOVERY = `
root=/workspace/aim-runtime/profiles
for folder in \${AIM_ID:+"$AIM_ID"} general; do
  [ -d "$root/$folder" ] || continue
  find "$root/$folder" -name '*.yaml' | sort | while read -r file; do
    printf '@@BEGIN %s@@\\n' "\${file#"$root"/}"
    base64 <"$file" | tr -d '\\n'
    printf '\\n@@END@@\\n'
  done
done
printf '@@ENV AIM_ID=%s@@\\n' "\${AIM_ID-}"
printf '@@ENV AIM_BASE_IMAGE_REF=%s@@\\n' "\${AIM_BASE_IMAGE_REF-}"
`;

/**
 * The last non-empty top-level JSON array in a mixed log, which is what AIM Engine reads.
 */
function lastArray(log: string): unknown {
  let last: unknown = null;
  for (let at = log.indexOf("["); at >= 0; at = log.indexOf("[", at + 1)) {
    for (let end = log.lastIndexOf("]"); end > at; end = log.lastIndexOf("]", end - 1)) {
      try {
        const value: unknown = JSON.parse(log.slice(at, end + 1));
        if (Array.isArray(value) && value.length > 0) last = value;
        at = end;
        break;
      } catch { /* not JSON */ }
    }
  }
  return last;
}

async function messageOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
  } catch (error) {
    return String(error);
  }
  return "";
}

function envOf(image: Pick<ImageConfig, "config">, name: string): string | undefined {
  return image.config.Env?.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The engine's arguments, as printed by the stub engine. */
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
