import { assert, assertEquals, assertMatch } from "@std/assert";
import { AIM_COMMAND, plainEnvironment } from "../cli/aim.ts";
import { noNginx, startNginxCache } from "../fleet/nginx_cache.ts";
import { denoDirectory } from "../fleet/nodes.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";
import { type Container, containersOf, KUBERNETES, podOf, readManifests, readYaml } from "./manifests.ts";

const FLEET = `${KUBERNETES}fleet/`;
const MANIFESTS = await readManifests();

const filesOf = (folder: string) =>
  MANIFESTS.filter(({ file }) => file.startsWith(`fleet/${folder}/`)).map(({ manifest }) => manifest);
const specOf = (folder: string, kind: string) =>
  filesOf(folder).find((one) => one.kind === kind)?.spec as Record<string, unknown>;

Deno.test("every cache has one replica, a mounted volume, and a service and a policy that select its pod", async (t) => {
  for (const folder of ["nginx", "olah", "registry"]) {
    await t.step(folder, () => {
      const deployment = specOf(folder, "Deployment") as {
        replicas: number;
        template: { metadata: { labels: Record<string, string> } };
      };
      // Two replicas would each download the model.
      assertEquals(deployment.replicas, 1);
      const { labels } = deployment.template.metadata;
      const finds = (selector: Record<string, string>) =>
        Object.entries(selector).every(([name, value]) => labels[name] === value);
      const service = specOf(folder, "Service") as {
        selector: Record<string, string>;
        ports: { port: number; targetPort: string }[];
      };
      assert(finds(service.selector));
      const policy = specOf(folder, "NetworkPolicy") as {
        podSelector: { matchLabels: Record<string, string> };
      };
      assert(finds(policy.podSelector.matchLabels));
      const pod = podOf(filesOf(folder).find((one) => one.kind === "Deployment") ?? fail());
      const claim = filesOf(folder).find((one) => one.kind === "PersistentVolumeClaim")?.metadata.name;
      const volume = pod?.volumes?.find((one) =>
        (one.persistentVolumeClaim as { claimName?: string } | undefined)?.claimName === claim
      );
      const [container] = pod?.containers ?? [];
      assert(container?.volumeMounts?.some(({ name }) => name === volume?.name));
      const ports = (container as Container & { ports: { name: string; containerPort: number }[] }).ports;
      for (const { port, targetPort } of service.ports) {
        assertEquals(ports.find(({ name }) => name === targetPort)?.containerPort, port);
      }
    });
  }
});

Deno.test("nginx's templates listen on the service's ports, and all their variables have values", async () => {
  const { configMapGenerator } = filesOf("nginx").find((one) => one.kind === "Kustomization") as unknown as {
    configMapGenerator: { literals?: string[]; files?: string[] }[];
  };
  const given = configMapGenerator.flatMap(({ literals }) => literals ?? []).map((pair) =>
    pair.split("=")[0]
  );
  const { ports } = specOf("nginx", "Service") as { ports: { name: string; port: number }[] };
  for (const { name, port } of ports) {
    const text = await Deno.readTextFile(`${FLEET}nginx/${name}.conf.template`);
    assert(text.includes(`listen ${port};`), name);
    for (const [, variable] of text.matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
      // The nginx image sets this variable itself when the other one is set.
      const wanted = variable === "NGINX_LOCAL_RESOLVERS" ? "NGINX_ENTRYPOINT_LOCAL_RESOLVERS" : variable;
      assert(given.includes(wanted), `${name}: ${variable}`);
    }
  }
});

Deno.test({
  name: `nginx starts with each template and the kustomization's own values${
    noNginx === null ? "" : ` (skipped: ${noNginx})`
  }`,
  ignore: noNginx !== null,
  async fn() {
    const { configMapGenerator } = filesOf("nginx").find((one) =>
      one.kind === "Kustomization"
    ) as unknown as {
      configMapGenerator: { literals?: string[] }[];
    };
    const literals = configMapGenerator.flatMap(({ literals }) => literals ?? []);
    const values = Object.fromEntries(literals.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
    for (const name of ["hub", "s3", "oci"] as const) {
      const nginx = await startNginxCache(name, values);
      assert(!("skip" in nginx));
      await nginx.close();
    }
  },
});

Deno.test("Dragonfly's rules match requests for model files and blobs, and nothing else", async () => {
  const text = await Deno.readTextFile(`${FLEET}dragonfly/values.yaml`);
  const [values] = readYaml(text, "values.yaml") as [
    Record<"seedClient" | "client", {
      config: { proxy: { prefetch: boolean; rules: { regex: string; filteredQueryParams?: string[] }[] } };
    }>,
  ];
  for (const part of ["seedClient", "client"] as const) {
    const { prefetch, rules } = values[part].config.proxy;
    assertEquals(prefetch, true);
    const matched = (url: string) => rules.filter(({ regex }) => new RegExp(regex).test(url));
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const digest = "ab".repeat(32);
    assertEquals(
      matched(`https://huggingface.co/org/model/resolve/${commit}/model.safetensors`).length,
      1,
    );
    for (const host of ["cdn-lfs.huggingface.co", "cdn-lfs-us-1.hf.co", "cas-bridge.xethub.hf.co"]) {
      const [rule] = matched(`https://${host}/repos/${digest}?X-Amz-Signature=1`);
      assert(rule?.filteredQueryParams?.includes("X-Amz-Signature"), host);
    }
    assertEquals(matched(`https://registry.example.com/v2/models/m/blobs/sha256:${digest}`).length, 1);
    assertEquals(matched("https://huggingface.co/api/models/org/model/tree/main"), []);
    assertEquals(matched("https://huggingface.co/org/model/resolve/main/config.json"), []);
    assertEquals(matched("https://registry.example.com/v2/models/m/manifests/v1"), []);
  }
});

Deno.test("KServe's cache refers to an existing node group and has the fields that KServe requires", () => {
  const { nodeGroups, sourceModelUri, modelSize } = specOf("kserve", "LocalModelCache");
  const groups = filesOf("kserve").filter((one) => one.kind === "LocalModelNodeGroup");
  assertEquals(nodeGroups, groups.map(({ metadata }) => metadata.name));
  assertMatch(String(modelSize), /^\d+Gi$/);
  const container = specOf("kserve", "ClusterStorageContainer") as {
    workloadType: string;
    supportedUriFormats: { prefix: string }[];
  };
  assertEquals(container.workloadType, "localModelDownloadJob");
  assert(container.supportedUriFormats.some(({ prefix }) => String(sourceModelUri).startsWith(prefix)));
});

Deno.test("the warm-up waits for a time derived from the node's name, downloads, and reports in one line; a warm node does not wait", async () => {
  const directory = await Deno.makeTempDir();
  const files = { "config.json": "{}\n", "model.safetensors": safetensorsBytes(300_000, 1) };
  await using hub = await startHub({ repos: [{ id: "org/model", files }] });
  const script = `${FLEET}warm-up/warm-up.sh`;
  await Deno.mkdir(`${directory}/bin`);
  const quoted = AIM_COMMAND.map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(`${directory}/bin/aim`, `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
  // Records the wait instead of sleeping.
  await Deno.writeTextFile(`${directory}/bin/sleep`, `#!/bin/sh\necho "$1" >>"${directory}/slept"\n`, {
    mode: 0o755,
  });
  const warmUp = async (node: string, endpoint: string, cache: string) => {
    const plain = plainEnvironment();
    const { code, stdout } = await new Deno.Command("sh", {
      args: [script],
      clearEnv: true,
      env: {
        ...plain,
        PATH: `${directory}/bin:${plain.PATH}`,
        HOME: directory,
        DENO_DIR: denoDirectory(),
        NODE_NAME: node,
        WARM_UP_SPREAD: "600",
        WARM_UP_REPORT: `${directory}/report`,
        AIM_MODEL_ID: "org/model",
        HF_ENDPOINT: endpoint,
        AIM_CACHE_PATH: `${directory}/${cache}`,
      },
      stderr: "null",
    }).output();
    const report = await Deno.readTextFile(`${directory}/report`);
    assertEquals(new TextDecoder().decode(stdout), report);
    assertEquals(report.trimEnd().split("\n").length, 1);
    return { code, ...JSON.parse(report) };
  };
  try {
    const cold = await warmUp("gpu-07", hub.url, "a");
    assertEquals([cold.code, cold.exitCode, cold.node], [0, 0, "gpu-07"]);
    assert(cold.waited >= 0 && cold.waited < 600);
    assertEquals(await Deno.readTextFile(`${directory}/slept`), `${cold.waited}\n`);
    assert(JSON.stringify(cold.download).includes('"bytesMoved":300003'), JSON.stringify(cold.download));

    const warm = await warmUp("gpu-07", hub.url, "a");
    assertEquals([warm.code, warm.waited], [0, 0]);
    assert(JSON.stringify(warm.download).includes('"bytesMoved":0'));

    // The wait is the same for the same node, and differs between nodes.
    const again = await warmUp("gpu-07", "http://127.0.0.1:2", "b");
    assertEquals([again.code, again.exitCode, again.waited, again.download], [6, 6, cold.waited, null]);
    const other = await warmUp("gpu-08", "http://127.0.0.1:2", "b");
    assert(other.waited !== cold.waited);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the warm-up's pod knows its node's name, and is unavailable until its download ends", () => {
  const daemonSet = filesOf("warm-up").find((one) => one.kind === "DaemonSet") ?? fail();
  const pod = podOf(daemonSet) ?? fail();
  const { updateStrategy } = daemonSet.spec as {
    updateStrategy: { rollingUpdate: { maxUnavailable: number } };
  };
  assert(updateStrategy.rollingUpdate.maxUnavailable >= 1);
  const [download] = containersOf(pod);
  const node = download?.env?.find(({ name }) => name === "NODE_NAME")?.valueFrom;
  assertEquals(node, { fieldRef: { fieldPath: "spec.nodeName" } });
  // An init container downloads, so an updated pod is unavailable until its download ends.
  assertEquals(pod.initContainers?.map(({ name }) => name), ["download"]);
});

function fail(): never {
  throw new Error("not there");
}
