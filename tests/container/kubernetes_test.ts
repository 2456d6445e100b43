import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseAllDocuments } from "yaml";
import { EXIT_CODES } from "../../src/errors/exit_codes.ts";
import { aim } from "../cli/aim.ts";
import { missingProgram, run } from "../e2e/contained.ts";
import {
  CONTAINER,
  kindOf,
  modelOf,
  moduleOf,
  type TypedValue,
  typeFaults,
  VOLUME,
} from "./kubernetes_kinds.ts";
import {
  type Container,
  containersOf,
  KUBERNETES,
  kustomizedFolders,
  type Manifest,
  podOf,
  readManifests,
} from "./manifests.ts";

/** Custom resources and other kinds that are not Kubernetes' own. */
const OTHERS = [
  "aim.eai.amd.com/v1alpha1 AIMArtifact",
  "aim.eai.amd.com/v1alpha2 AIMModel",
  "aim.eai.amd.com/v1alpha2 AIMService",
  "serving.kserve.io/v1alpha1 ClusterStorageContainer",
  "serving.kserve.io/v1alpha1 ClusterServingRuntime",
  "serving.kserve.io/v1alpha1 LocalModelCache",
  "serving.kserve.io/v1alpha1 LocalModelNodeGroup",
  "kustomize.config.k8s.io/v1beta1 Kustomization",
];

const MANIFESTS = await readManifests();
const of = (kind: string, name?: string): Manifest => {
  const found = MANIFESTS.find(({ manifest }) =>
    manifest.kind === kind && (name === undefined || manifest.metadata.name === name)
  );
  if (found === undefined) throw new Error(`no ${kind}`);
  return found.manifest;
};

/**
 * Values that must have a type of Kubernetes: complete objects, and the containers and volumes of KServe's.
 */
function typed(): TypedValue[] {
  return MANIFESTS.flatMap(({ file, manifest }) => {
    const module = moduleOf(manifest);
    if (module !== undefined) return [{ where: file, module, value: manifest }];
    const spec = manifest.spec as
      | { container?: unknown; containers?: unknown[]; volumes?: unknown[] }
      | undefined;
    const containers = [...spec?.containers ?? [], ...spec?.container === undefined ? [] : [spec.container]];
    return [
      ...containers.map((value) => ({ where: file, module: CONTAINER, value })),
      ...(spec?.volumes ?? []).map((value) => ({ where: file, module: VOLUME, value })),
    ];
  });
}

Deno.test("every object is of a known kind", () => {
  const unknown = MANIFESTS.filter(({ manifest }) =>
    moduleOf(manifest) === undefined && !OTHERS.includes(kindOf(manifest))
  );
  assertEquals(unknown, []);
  assert(MANIFESTS.length >= 12);
});

Deno.test("every object is valid against Kubernetes' OpenAPI schemas", async (t) => {
  for (const { where, module, value } of typed()) {
    await t.step(`${where}: ${module.split("/").at(-1)}`, async () => {
      const Model = await modelOf(module);
      new Model(value).validate();
    });
  }
  await t.step("an invalid object is rejected", async () => {
    const Job = await modelOf("kubernetes-models/batch/v1/Job");
    const broken = structuredClone(of("Job")) as unknown as { spec: { backoffLimit: unknown } };
    broken.spec.backoffLimit = "six";
    let message = "";
    try {
      new Job(broken).validate();
    } catch (error) {
      message = String(error);
    }
    assertMatch(message, /backoffLimit/);
  });
});

Deno.test("no object has an unknown field or a field of the wrong type", async () => {
  assertEquals(await typeFaults(typed()), null);
  const job = of("Job") as unknown as { spec: Record<string, unknown> };
  const misspelt = { ...job, spec: { ...job.spec, backofLimit: 6 } };
  const found = await typeFaults([{ where: "", module: "kubernetes-models/batch/v1/Job", value: misspelt }]);
  assert(found?.includes("backofLimit"), found ?? "");
});

Deno.test("the pre-download job fails at once on errors that a retry cannot fix, and retries others", () => {
  const spec = of("Job").spec as {
    backoffLimit: number;
    template: { spec: { restartPolicy: string; containers: Container[] } };
    podFailurePolicy: {
      rules: {
        action: string;
        onExitCodes?: { containerName: string; operator: string; values: number[] };
        onPodConditions?: { type: string; status: string }[];
      }[];
    };
  };
  const { rules } = spec.podFailurePolicy;
  const codes = (action: string) =>
    rules.filter((rule) => rule.action === action).flatMap((rule) => rule.onExitCodes?.values ?? []);
  const code = (kind: keyof typeof EXIT_CODES) => EXIT_CODES[kind].code;
  assertEquals(
    codes("FailJob").sort(),
    (["usage", "no-profile", "unauthorized", "not-found", "integrity"] as const).map(code).sort(),
  );
  assertEquals(codes("Count"), [code("network")]);
  // Termination by a drained node neither fails the job nor counts.
  assertEquals(codes("Ignore"), []);
  assert(!codes("FailJob").includes(code("terminated")));
  const ignored = rules.find((rule) => rule.action === "Ignore");
  assertEquals(ignored?.onPodConditions, [{ type: "DisruptionTarget", status: "True" }]);
  for (const rule of rules.filter((rule) => rule.onExitCodes !== undefined)) {
    assertEquals(rule.onExitCodes?.operator, "In");
    assert(spec.template.spec.containers.some((c) => c.name === rule.onExitCodes?.containerName));
  }
  // Kubernetes accepts a podFailurePolicy only with this restart policy.
  assertEquals(spec.template.spec.restartPolicy, "Never");
  assert(spec.backoffLimit >= 3);
});

Deno.test("every pod runs without root, capabilities or a Kubernetes token", async (t) => {
  for (const { file, manifest } of MANIFESTS) {
    const storage = manifest.kind === "ClusterStorageContainer";
    const pod = storage
      ? { containers: [(manifest.spec as { container: Container }).container] }
      : podOf(manifest);
    if (pod === null || pod === undefined) continue;
    await t.step(file, () => {
      const kserve = manifest.kind.startsWith("Cluster");
      if (!kserve) {
        assertEquals(pod.automountServiceAccountToken, false);
        assertEquals(pod.securityContext?.runAsNonRoot, true);
        assertEquals(pod.securityContext?.runAsUser, 1000);
        assertEquals(pod.securityContext?.seccompProfile, { type: "RuntimeDefault" });
      }
      for (const container of containersOf(pod)) {
        const security = container.securityContext ?? {};
        if (kserve) {
          assertEquals(security.runAsNonRoot, true);
          assertEquals(security.seccompProfile, { type: "RuntimeDefault" });
        }
        assertEquals(security.allowPrivilegeEscalation, false);
        assertEquals(security.capabilities, { drop: ["ALL"] });
        assertEquals(security.readOnlyRootFilesystem, true);
        assert(container.resources?.limits?.memory !== undefined, container.name);
        const mounts = container.volumeMounts ?? [];
        // The engine writes to /tmp; aim itself does not.
        if (/^aim/.test(container.image)) {
          const serves = container.args?.[0] === "serve";
          assertEquals(mounts.some((mount) => mount.mountPath === "/tmp"), serves, container.name);
        }
        for (const { name } of mounts) {
          assert(pod.volumes?.some((volume) => volume.name === name), `${container.name}: no volume ${name}`);
        }
      }
    });
  }
});

Deno.test("the engine requests a GPU and has an hour to start", () => {
  for (const kind of ["Deployment", "ClusterServingRuntime"]) {
    const container = podOf(of(kind))?.containers[0];
    assertEquals(container?.args, ["serve"]);
    assertEquals(container?.resources?.limits?.["amd.com/gpu"], "1");
    const { periodSeconds = 0, failureThreshold = 0 } = container?.startupProbe ?? {};
    assert(periodSeconds * failureThreshold >= 3600, kind);
  }
});

Deno.test("downloaders get the hub's token, the engine does not", () => {
  for (const { manifest } of MANIFESTS) {
    const pod = podOf(manifest);
    for (const container of pod === null ? [] : containersOf(pod)) {
      const downloads = container.args?.includes("download-to-cache") === true ||
        container.command?.some((word) => word.endsWith("/warm-up.sh")) === true;
      const token = container.env?.some(({ name }) => name === "HF_TOKEN") === true;
      assertEquals(token, downloads, `${manifest.kind} ${container.name}`);
      if (token) {
        const value = container.env?.find(({ name }) => name === "HF_TOKEN");
        assertEquals(value?.value, undefined);
      }
    }
  }
});

Deno.test("job, init container and engine select the same model, and the volume is mounted at its path", async () => {
  const base = fileNamed("base/kustomization.yaml") as {
    configMapGenerator: { name: string; literals: string[] }[];
  };
  const shared = Object.fromEntries(
    base.configMapGenerator[0]?.literals.map((pair) => pair.split("=")) ?? [],
  );
  const directory = await Deno.makeTempDir();
  try {
    const modelOfContainer = async (container: Container, more: Record<string, string>) => {
      const own = Object.fromEntries(
        (container.env ?? []).flatMap(({ name, value }) =>
          value === undefined || name === "HOME" ? [] : [[name, value]]
        ),
      );
      const ran = await aim(["dry-run", "--format", "json"], {
        env: {
          ...shared,
          ...own,
          ...more,
          AIM_CACHE_PATH: directory,
          HF_HUB_OFFLINE: "1",
          HF_HOME: directory,
        },
      });
      assertEquals(ran.code, 0, ran.stderr);
      const plans = JSON.parse(ran.stdout) as { models: { name: string }[] }[];
      return plans[0]?.models[0]?.name ?? "";
    };
    for (const kind of ["Job", "Deployment", "DaemonSet"]) {
      const pod = podOf(of(kind));
      const claims = (pod?.volumes ?? []).filter((volume) => "persistentVolumeClaim" in volume);
      for (const container of pod === null ? [] : containersOf(pod)) {
        if (container.command?.[0] === "sh") continue;
        // The model's image and the node's GPUs add these to the engine's environment.
        const model = await modelOfContainer(
          container,
          container.name === "serve"
            ? { AIM_ID: "meta-llama/Llama-3.1-8B-Instruct", AIM_GPU_MODEL: "MI300X", AIM_GPU_COUNT: "1" }
            : {},
        );
        const wanted = claims.length === 0 ? "/workspace/model-cache" : `/workspace/model-cache/${model}`;
        assert(
          container.volumeMounts?.some(({ mountPath }) => mountPath === wanted),
          `${kind} ${container.name}: ${wanted}`,
        );
      }
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("every kustomization lists all files in its folder", async (t) => {
  for (const folder of kustomizedFolders()) {
    await t.step(folder, () => {
      const { resources, configMapGenerator = [] } = fileNamed(`${folder}/kustomization.yaml`) as {
        resources: string[];
        configMapGenerator?: { files?: string[] }[];
      };
      const named = [...resources, ...configMapGenerator.flatMap(({ files }) => files ?? [])];
      const there = [...Deno.readDirSync(`${KUBERNETES}${folder}`)].map((entry) => entry.name)
        .filter((name) => name !== "kustomization.yaml");
      assertEquals(named.filter((name) => !name.startsWith("../")).sort(), there.sort());
    });
  }
});

const kubectl = await missingProgram(["kubectl"]) === null;
Deno.test({
  name: `kubectl builds every folder${kubectl ? "" : " (skipped: kubectl is not installed)"}`,
  ignore: !kubectl,
  async fn(t) {
    const built = async (folder: string) =>
      parseAllDocuments(await run("kubectl", "kustomize", `${KUBERNETES}${folder}`))
        .map((document) => document.toJS() as Manifest);
    const kinds = (objects: readonly Manifest[]) => objects.map(({ kind }) => kind).sort();
    await t.step("base creates a namespace, and everything else is in it", async () => {
      const objects = await built("base");
      assertEquals(objects[0]?.kind, "Namespace");
      const spaces = objects.slice(1).map(({ metadata }) => (metadata as { namespace?: string }).namespace);
      assertEquals([...new Set(spaces)], [objects[0]?.metadata.name]);
    });
    await t.step(
      "the overlay changes namespace, images, storage class, groups and replicas",
      async () => {
        const objects = await built("overlay-example");
        assertEquals(objects[0]?.metadata.name, "inference");
        const pods = objects.flatMap((object) => podOf(object) ?? []);
        for (const { image } of pods.flatMap(containersOf)) {
          assertMatch(image, /^registry\.example\.org\/.+:stable$/);
        }
        const text = JSON.stringify(objects);
        for (
          const part of ['"storageClassName":"fast-nfs"', '"supplementalGroups":[44,992]', '"replicas":2']
        ) {
          assert(text.includes(part), part);
        }
      },
    );
    await t.step("air-gapped downloads nothing, and its policy selects the engine's pod", async () => {
      const objects = await built("air-gapped");
      assert(!kinds(objects).includes("Job") && !kinds(objects).includes("DaemonSet"));
      assertEquals(JSON.stringify(objects).match(/"HF_HUB_OFFLINE"/g)?.length, 2);
      const spec = (kind: string) => objects.find((object) => object.kind === kind)?.spec;
      const policy = spec("NetworkPolicy") as { podSelector: { matchLabels: Record<string, string> } };
      const served = spec("Deployment") as { template: { metadata: { labels: Record<string, string> } } };
      for (const [name, value] of Object.entries(policy.podSelector.matchLabels)) {
        assertEquals(served.template.metadata.labels[name], value);
      }
    });
    await t.step("the fleet's folders", async () => {
      const fleet = kustomizedFolders().filter((folder) => folder.startsWith("fleet/"));
      const of = Object.fromEntries(
        await Promise.all(fleet.map(async (folder) => [folder, kinds(await built(folder))])),
      );
      const cache = ["Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Service"];
      assertEquals(of, {
        "fleet/kserve": ["ClusterStorageContainer", "LocalModelCache", "LocalModelNodeGroup"],
        "fleet/nginx": ["ConfigMap", "ConfigMap", ...cache],
        "fleet/olah": cache,
        "fleet/registry": ["ConfigMap", ...cache],
        "fleet/warm-up": ["ConfigMap", "ConfigMap", "DaemonSet"],
      });
    });
    await t.step("the other folders", async () => {
      assertEquals(kinds(await built("kserve")), ["ClusterServingRuntime", "ClusterStorageContainer"]);
      assertEquals([...new Set(kinds(await built("aim-engine")))], ["AIMArtifact", "AIMModel", "AIMService"]);
    });
  },
});

Deno.test("AIM Engine's examples refer to each other and to images that `deno task image` builds", () => {
  const objects = MANIFESTS.filter(({ file }) => /^aim-engine\/(?!kustomization)/.test(file)).map((
    { manifest },
  ) => manifest);
  const named = (kind: string) => objects.filter((o) => o.kind === kind).map(({ metadata }) => metadata.name);
  interface Spec {
    image?: string;
    modelDownloadImage?: string;
    model?: { name: string };
    adapters?: { name: string; kind: string }[];
    parentArtifact?: string;
    profiles?: {
      derivedFrom: { selector: { role: string; modelRef: { name: string } } };
      overrides: Record<string, unknown>;
    };
  }
  for (const { kind, spec } of objects as unknown as { kind: string; spec: Spec }[]) {
    if (kind === "AIMModel") assertEquals((spec.image === undefined) !== (spec.profiles === undefined), true);
    if (spec.model !== undefined) assert(named("AIMModel").includes(spec.model.name));
    for (const { name, kind } of spec.adapters ?? []) assert(named(kind).includes(name));
    if (spec.parentArtifact !== undefined) assert(named("AIMArtifact").includes(spec.parentArtifact));
    if (spec.profiles !== undefined) {
      assert(named("AIMModel").includes(spec.profiles.derivedFrom.selector.modelRef.name));
      // The operator refuses a derivation from base profiles without these.
      for (const key of ["aimId", "modelId"]) assert(key in spec.profiles.overrides, key);
    }
    for (const image of [spec.image, spec.modelDownloadImage]) {
      if (image !== undefined) {
        assertMatch(image, /^aim-(base|downloader|meta-llama-llama-3\.1-8b-instruct)$/);
      }
    }
  }
});

Deno.test("the air-gapped engine's policy allows no outgoing connections", () => {
  const { spec } = of("NetworkPolicy") as unknown as {
    spec: { policyTypes: string[]; egress: unknown[]; podSelector: { matchLabels: Record<string, string> } };
  };
  assertEquals(spec.policyTypes, ["Ingress", "Egress"]);
  assertEquals(spec.egress, []);
  const labels =
    (of("Deployment").spec as { template: { metadata: { labels: Record<string, string> } } }).template
      .metadata.labels;
  for (const [name, value] of Object.entries(spec.podSelector.matchLabels)) {
    if (name !== "app.kubernetes.io/part-of") assertEquals(labels[name], value);
  }
});

Deno.test("the storage container and runtime follow KServe's rules", () => {
  const storage = of("ClusterStorageContainer", "aim").spec as {
    workloadType: string;
    supportedUriFormats: { prefix: string }[];
    container: Container;
  };
  assertEquals(Object.keys(storage).sort(), ["container", "supportedUriFormats", "workloadType"]);
  // KServe recognises its init container by this name.
  assertEquals(storage.container.name, "storage-initializer");
  assertEquals(storage.container.command, ["/storage-initializer/scripts/initializer-entrypoint"]);
  assertEquals(storage.container.args, undefined);
  assertEquals(storage.supportedUriFormats, [{ prefix: "hf://" }, { prefix: "s3://" }]);
  assert(["initContainer", "localModelDownloadJob"].includes(storage.workloadType));

  const runtime = of("ClusterServingRuntime").spec as {
    supportedModelFormats: { name: string; autoSelect: boolean; priority: number }[];
    containers: Container[];
  };
  const known = [
    ...["annotations", "supportedModelFormats", "protocolVersions", "containers", "volumes"],
    ...["labels", "nodeSelector", "tolerations", "affinity", "imagePullSecrets", "hostIPC", "disabled"],
  ];
  assertEquals(Object.keys(runtime).filter((field) => !known.includes(field)), []);
  assertEquals(runtime.containers.map(({ name }) => name), ["kserve-container"]);
  const env = Object.fromEntries(runtime.containers[0]?.env?.map(({ name, value }) => [name, value]) ?? []);
  assertEquals(env.AIM_MODEL_ID, "/mnt/models");
  assertEquals(env.AIM_PORT, "8080");
  for (const { priority } of runtime.supportedModelFormats) assert(priority > 0);
});

function fileNamed(file: string): unknown {
  return MANIFESTS.find((one) => one.file === file)?.manifest;
}
