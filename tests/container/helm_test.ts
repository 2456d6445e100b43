// Renders and lints the chart with helm.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { EXIT_CODES } from "../../src/errors/exit_codes.ts";
import { aim } from "../cli/aim.ts";
import { helmProgram } from "./helm_program.ts";
import { modelOf, moduleOf, typeFaults } from "./kubernetes_kinds.ts";
import {
  type Container,
  containersOf,
  KUBERNETES,
  type Manifest,
  podOf,
  type PodSpec,
  readYaml,
} from "./manifests.ts";

const CHART = new URL("../../container/helm/", import.meta.url).pathname;
/** Value sets: the defaults, and the examples in `ci`. */
const SETS = ["", ...[...Deno.readDirSync(`${CHART}ci`)].map(({ name }) => `ci/${name}`).sort()];
const helm = await helmProgram();

function helmTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  const skipped = typeof helm === "string" ? "" : ` (skipped: ${helm.skip})`;
  Deno.test({ name: name + skipped, ignore: skipped !== "", fn });
}

interface HelmRan {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function runHelm(...args: string[]): Promise<HelmRan> {
  const home = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(helm as string, {
      args,
      env: { HOME: home },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

const filesOf = (set: string) => set === "" ? [] : ["--values", `${CHART}${set}`];

/** The objects of a release `llama` in the namespace `aim`. */
async function rendered(set: string, ...settings: string[]): Promise<Manifest[]> {
  const args = ["template", "llama", CHART, "--namespace", "aim", ...filesOf(set), ...settings];
  const { code, stdout, stderr } = await runHelm(...args);
  assertEquals(code, 0, stderr);
  return readYaml(stdout, set).filter((value) => value !== null) as Manifest[];
}

const kinds = (objects: readonly Manifest[]) => objects.map(({ kind }) => kind).sort();
const of = (objects: readonly Manifest[], kind: string) =>
  objects.find((one) => one.kind === kind) ?? missing(kind);
const podIn = (objects: readonly Manifest[], kind: string) => podOf(of(objects, kind)) ?? missing(kind);
const valuesOf = (container: Container | undefined) =>
  Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]));

function missing(what: string): never {
  throw new Error(`no ${what}`);
}

helmTest("helm lint accepts the chart with the defaults and with each example", async () => {
  for (const set of SETS) {
    const { code, stdout } = await runHelm("lint", "--strict", CHART, ...filesOf(set));
    assertEquals(code, 0, stdout);
    assert(!/\[(ERROR|WARNING)\]/.test(stdout), stdout);
  }
});

helmTest(
  "every object is valid against Kubernetes' schemas and has only known fields",
  async (t) => {
    const all: { where: string; module: string; value: unknown }[] = [];
    for (const set of SETS) {
      await t.step(set || "defaults", async () => {
        for (const manifest of await rendered(set)) {
          const module = moduleOf(manifest) ?? missing(manifest.kind);
          new (await modelOf(module))(manifest).validate();
          all.push({ where: `${set}: ${manifest.kind}`, module, value: manifest });
        }
      });
    }
    assert(all.length > 4 * SETS.length);
    assertEquals(await typeFaults(all), null);
  },
);

helmTest("the values decide which objects are created", async () => {
  const model = ["Deployment", "PersistentVolumeClaim", "Service", "ServiceAccount"];
  assertEquals(kinds(await rendered("")), [...model, "Job"].sort());
  assertEquals(kinds(await rendered("ci/model-image-values.yaml")), [
    "Deployment",
    "Service",
    "ServiceAccount",
  ]);
  assertEquals(kinds(await rendered("ci/fleet-values.yaml")), [
    ...["ConfigMap", "DaemonSet", "Deployment", "Service", "ServiceAccount"],
  ]);
  assertEquals(kinds(await rendered("", "--set", "engine.enabled=false")), [
    ...["Job", "PersistentVolumeClaim", "ServiceAccount"],
  ]);
});

helmTest("the job's failure policy uses aim's exit codes, as in the plain manifests", async () => {
  const [job] = (await rendered("")).filter(({ kind }) => kind === "Job");
  const { rules } = (job?.spec as { podFailurePolicy: { rules: Rule[] } }).podFailurePolicy;
  const plain = readYaml(await Deno.readTextFile(`${KUBERNETES}base/pre-download-job.yaml`), "base");
  assertEquals(
    rules,
    (plain[0] as { spec: { podFailurePolicy: { rules: Rule[] } } }).spec.podFailurePolicy.rules,
  );
  const fails = rules.find(({ action }) => action === "FailJob")?.onExitCodes?.values;
  const final = ["usage", "no-profile", "unauthorized", "not-found", "integrity"] as const;
  assertEquals(fails, final.map((kind) => EXIT_CODES[kind].code));
});

interface Rule {
  readonly action: string;
  readonly onExitCodes?: { readonly values: readonly number[] };
}

helmTest("only a change of the model or the image creates a new job", async () => {
  const name = async (...settings: string[]) => of(await rendered("", ...settings), "Job").metadata.name;
  const first = await name();
  assertEquals(await name("--set", "engine.replicas=2"), first);
  const others = await Promise.all([
    name("--set", "model.ref=acme/rocket-7b"),
    name("--set", "image.downloader=aim-downloader:2"),
  ]);
  assertEquals(new Set([first, ...others]).size, 3);
});

helmTest(
  "every pod runs without root, capabilities or a Kubernetes token, and only downloaders get secrets",
  async (t) => {
    for (const set of SETS) {
      await t.step(set || "defaults", async () => {
        for (const manifest of await rendered(set)) {
          const pod = podOf(manifest);
          if (pod === null) continue;
          assertEquals(pod.automountServiceAccountToken, false);
          assertEquals(pod.securityContext?.runAsNonRoot, true);
          assertEquals(pod.securityContext?.seccompProfile, { type: "RuntimeDefault" });
          for (const container of containersOf(pod)) {
            const { allowPrivilegeEscalation, capabilities, readOnlyRootFilesystem } =
              container.securityContext ?? {};
            assertEquals([allowPrivilegeEscalation, readOnlyRootFilesystem], [false, true]);
            assertEquals(capabilities, { drop: ["ALL"] });
            for (const { name } of container.volumeMounts ?? []) {
              assert(pod.volumes?.some((volume) => volume.name === name), `${container.name}: ${name}`);
            }
            const secrets = [...container.env ?? []].some(({ valueFrom }) =>
              JSON.stringify(valueFrom ?? "").includes("secret")
            ) || container.envFrom !== undefined;
            if (container.name === "serve" || container.name === "wait") {
              assertEquals(secrets, false);
            }
          }
        }
      });
    }
  },
);

helmTest(
  "downloader and engine use the same model, and the volume is mounted at the model's path",
  async (t) => {
    const directory = await Deno.makeTempDir();
    try {
      for (const set of SETS) {
        await t.step(set || "defaults", async () => {
          const objects = await rendered(set);
          // With a model name, the volume contains that model's files; without, it is a cache.
          const named = ["ci/s3-values.yaml", "ci/oci-values.yaml", "ci/model-image-values.yaml"].includes(
            set,
          );
          const loaded = new Set<string>();
          for (const manifest of objects) {
            const pod = podOf(manifest);
            for (const container of pod === null ? [] : containersOf(pod)) {
              if (!["download", "serve"].includes(container.name)) continue;
              const name = await loadedBy(container, set, directory);
              loaded.add(name);
              const wanted = `/workspace/model-cache${named ? `/${name}` : ""}`;
              assertEquals(mountOf(container), wanted, `${manifest.kind} ${container.name}`);
            }
          }
          assertEquals(loaded.size, 1);
        });
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

function mountOf(container: Container): string | undefined {
  return container.volumeMounts?.find(({ name }) => name === "model")?.mountPath;
}

/** The model that aim would load with the container's environment. */
async function loadedBy(container: Container, set: string, directory: string): Promise<string> {
  const { HOME: _, NODE_NAME: __, ...own } = Object.fromEntries(
    Object.entries(valuesOf(container)).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  // A model's own image names it.
  const image = set === "ci/model-image-values.yaml" && container.name === "serve"
    ? { AIM_ID: "meta-llama/Llama-3.1-8B-Instruct" }
    : {};
  const ran = await aim(["dry-run", "--format", "json"], {
    env: {
      ...{ AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1" },
      ...{ ...own, ...image, AIM_CACHE_PATH: directory, HF_HUB_OFFLINE: "1", HF_HOME: directory },
    },
  });
  assertEquals(ran.code, 0, ran.stderr);
  return (JSON.parse(ran.stdout) as { models: { name: string }[] }[])[0]?.models[0]?.name ?? "";
}

helmTest("values are set in the right objects and fields", async () => {
  const s3 = await rendered("ci/s3-values.yaml");
  const [serve] = podIn(s3, "Deployment").containers;
  assertEquals(serve?.args, ["serve", "--", "--max-model-len", "8192"]);
  const download = podIn(s3, "Job").containers[0];
  assertEquals(download?.envFrom, [{ secretRef: { name: "s3-credentials" } }]);
  assertEquals(valuesOf(download).AIM_DOWNLOAD_MAX_BANDWIDTH, "500MB");
  assertEquals(
    (of(s3, "PersistentVolumeClaim").spec as { storageClassName: string }).storageClassName,
    "fast-nfs",
  );

  const oci = valuesOf(podIn(await rendered("ci/oci-values.yaml"), "Job").containers[0]);
  assertEquals(oci.AIM_OCI_MIRRORS, "registry.example.com=model-cache.aim.svc:8082");

  const own = podIn(await rendered("ci/model-image-values.yaml"), "Deployment");
  assertEquals(own.volumes?.find(({ name }) => name === "model")?.persistentVolumeClaim, {
    claimName: "llama-weights",
  });
  assertEquals((own as PodSpec & { imagePullSecrets: unknown }).imagePullSecrets, [
    { name: "registry-credentials" },
  ]);

  const adapters = podIn(await rendered("ci/adapters-values.yaml"), "Deployment");
  assertEquals(
    adapters.initContainers?.slice(1).map(({ args }) => args),
    [
      ["fetch", "hf://acme/llama-polite-lora", "/workspace/cache/adapters/polite"],
      ["fetch", "s3://adapters/terse-v2", "/workspace/cache/adapters/terse.v2"],
    ],
  );
  assertEquals(valuesOf(adapters.containers[0]).AIM_ADAPTER_MAX_RANK, "64");

  const placed = await rendered("", "--set", "nodeSelector.pool=inference");
  for (const kind of ["Job", "Deployment"]) {
    const { nodeSelector, tolerations } = podIn(placed, kind) as PodSpec & Record<string, unknown>;
    assertEquals(nodeSelector, { pool: "inference" });
    assertEquals(tolerations, [{ key: "amd.com/gpu", operator: "Exists", effect: "NoSchedule" }]);
  }

  const fleet = await rendered("ci/fleet-values.yaml");
  const { updateStrategy } = of(fleet, "DaemonSet").spec as {
    updateStrategy: { rollingUpdate: { maxUnavailable: string } };
  };
  assertEquals(updateStrategy.rollingUpdate.maxUnavailable, "10%");
  const warm = podIn(fleet, "DaemonSet").initContainers?.[0];
  assertEquals(valuesOf(warm).WARM_UP_SPREAD, "600");
  assertEquals(valuesOf(warm).HF_ENDPOINT, "http://model-cache:8080");
  const node = { path: "/var/lib/aim/model-cache", type: "Directory" };
  for (const kind of ["DaemonSet", "Deployment"]) {
    assertEquals(podIn(fleet, kind).volumes?.find(({ name }) => name === "model")?.hostPath, node);
  }
});

helmTest("the fleet's script is the same as in the plain manifests", async () => {
  const script = await Deno.readTextFile(`${KUBERNETES}fleet/warm-up/warm-up.sh`);
  const { data } = of(await rendered("ci/fleet-values.yaml"), "ConfigMap") as unknown as {
    data: Record<string, string>;
  };
  assertEquals(data["warm-up.sh"], script);
});

helmTest("the schema rejects values that aim or Kubernetes would reject, and names them", async (t) => {
  const wrong: readonly [setting: string, named: string][] = [
    ["model.ref=llama", "/model/ref"],
    ["model.ref=s3://models/rocket", "/model/name"],
    ["model.name=../etc", "/model/name"],
    ["gpu.count=0", "/gpu/count"],
    ["gpu.count=two", "/gpu/count"],
    ["profile.precision=fp13", "/profile/precision"],
    ["storage.size=lots", "/storage/size"],
    ["storage.accessModes={ReadOnlyOnce}", "/storage/accessModes/0"],
    ["source.endpoint=huggingface.co", "/source/endpoint"],
    ["download.backoffLimit=-1", "/download/backoffLimit"],
    ["download.maxBandwidth=fast", "/download/maxBandwidth"],
    ["fleet.maxUnavailable=0", "/fleet/maxUnavailable"],
    ["fleet.maxUnavailable=many", "/fleet/maxUnavailable"],
    ["fleet.path=cache", "/fleet/path"],
    ["adapters.maxRank=7", "/adapters/maxRank"],
    ["service.port=70000", "/service/port"],
    ["engine.replica=2", "replica"],
    ["modle.ref=org/model", "modle"],
  ];
  for (const [setting, named] of wrong) {
    await t.step(setting, async () => {
      const { code, stderr } = await runHelm("template", "llama", CHART, "--set", setting);
      assert(code !== 0);
      assertStringIncludes(stderr, named);
    });
  }
});

interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
}

const SCHEMA = JSON.parse(await Deno.readTextFile(`${CHART}values.schema.json`)) as Schema;
const [VALUES] = readYaml(await Deno.readTextFile(`${CHART}values.yaml`), "values.yaml");

Deno.test("values.yaml and the schema have the same values, each with a description", () => {
  const found = (value: unknown, schema: Schema, path: string): string[] => {
    assert((schema.description ?? "") !== "", path);
    if (schema.properties === undefined) return [path];
    const own = value as Record<string, unknown>;
    const names = Object.keys(schema.properties).filter((name) => name !== "global");
    assertEquals(Object.keys(own).sort(), names.sort(), path);
    return names.flatMap((name) => found(own[name], schema.properties?.[name] ?? {}, `${path}.${name}`));
  };
  assert(found(VALUES, SCHEMA, "").length > 40);
});

Deno.test("the README's table of values matches the schema", async () => {
  const [begin, end] = [
    "<!-- values: written by helm_test.ts with AIM_TEST_WRITE_TABLE=1 -->",
    "<!-- /values -->",
  ];
  const readme = await Deno.readTextFile(`${CHART}README.md`);
  const [before = "", rest = ""] = readme.split(begin);
  const [table = "", after = ""] = rest.split(end);
  const rows = rowsOf(VALUES, SCHEMA, "");
  if (Deno.env.get("AIM_TEST_WRITE_TABLE") === "1") {
    const lines = [
      "| value | default | meaning |",
      "| --- | --- | --- |",
      ...rows.map((row) => `| ${row.join(" | ")} |`),
    ];
    await Deno.writeTextFile(
      `${CHART}README.md`,
      `${before}${begin}\n\n${lines.join("\n")}\n\n${end}${after}`,
    );
    return;
  }
  const written = table.trim().split("\n").slice(2).map((line) =>
    line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim())
  );
  assertEquals(written, rows);
});

function rowsOf(value: unknown, { properties, description = "" }: Schema, path: string): string[][] {
  if (properties === undefined) return [[`\`${path}\``, `\`${JSON.stringify(value)}\``, description]];
  return Object.entries(properties).filter(([name]) => name !== "global").flatMap(([name, schema]) =>
    rowsOf((value as Record<string, unknown>)[name], schema, path === "" ? name : `${path}.${name}`)
  );
}
