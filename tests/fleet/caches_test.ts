// Nodes download one model at the same time through a cache: the origin sends it once, one node is killed and
// resumes, and every byte on every node is checked.
import { assert, assertEquals } from "@std/assert";
import { aim, plainEnvironment } from "../cli/aim.ts";
import { missingProgram } from "../e2e/contained.ts";
import { python, withoutPython } from "../interop/python_client.ts";
import { type DockerRegistry, NO_REGISTRY, skopeo, startRegistry } from "../oci/docker_registry.ts";
import { type Ceph, startCeph } from "../servers/ceph.ts";
import { freePort } from "../servers/free_port.ts";
import { startHub } from "../servers/hub_server.ts";
import { startNginxWith } from "../servers/nginx_process.ts";
import { startMisbehavingProxy } from "../servers/misbehaving_proxy.ts";
import { startOlah } from "../servers/olah.ts";
import { startS3 } from "../servers/s3_server.ts";
import { FLEET_BYTES, FLEET_FILES } from "./fleet_model.ts";
import { noNginx, startNginxCache } from "./nginx_cache.ts";
import { denoDirectory, downloadOnFleet, type FleetNode } from "./nodes.ts";

const repos = [{ id: "org/model", files: FLEET_FILES }];
/** Slow enough to kill the first node during its download. */
const SLOW = { kind: "slow", rate: 4e6 } as const;

const noOlah = await (async () => {
  await using hub = await startHub({ repos: [] });
  const started = await startOlah(hub);
  if ("skip" in started) return started.skip;
  await started[Symbol.asyncDispose]();
  return null;
})();

function fleetTest(name: string, without: string | null, fn: () => Promise<void>): void {
  Deno.test({
    name: without === null ? name : `${name} (skipped: ${without})`,
    ignore: without !== null,
    fn,
  });
}

/** The killed node kept part of the model and downloaded only the rest. */
function assertResumed(node: FleetNode | undefined): void {
  assert(node !== undefined && node.bytesPresent > 0, `found ${node?.bytesPresent} bytes`);
  assertEquals(node.bytesMoved + node.bytesPresent, FLEET_BYTES);
}

function assertSentOnce(sent: number): void {
  assert(sent >= FLEET_BYTES, `the origin sent ${sent} of ${FLEET_BYTES} bytes`);
  assert(sent <= 1.05 * FLEET_BYTES, `the origin sent ${sent} bytes, the model has ${FLEET_BYTES}`);
}

fleetTest(
  "a fleet behind nginx with slices costs the hub one download",
  noNginx,
  async () => {
    await using hub = await startHub({ repos, faults: [SLOW] });
    const cache = await startNginxCache("hub", { HUB_URL: hub.url });
    assert(!("skip" in cache));
    await using _ = cache;
    const nodes = await downloadOnFleet({
      ref: "hf://org/model",
      env: { HF_ENDPOINT: cache.url },
      onKilled: () => hub.faults.splice(0),
    });
    assertResumed(nodes[0]);
    assertSentOnce(hub.bytesSent());
    assertEquals(hub.leaks, []);
  },
);

fleetTest(
  "a fleet behind nginx with slices costs S3 one download",
  noNginx,
  async () => {
    const objects = Object.fromEntries(
      Object.entries(FLEET_FILES).map(([path, bytes]) => [`m/${path}`, bytes]),
    );
    await using s3 = await startS3({ buckets: { models: objects }, faults: [SLOW] });
    const cache = await startNginxCache("s3", { S3_URL: s3.url });
    assert(!("skip" in cache));
    await using _ = cache;
    const nodes = await downloadOnFleet({
      ref: "s3://models/m",
      env: { ...s3.env, AWS_ENDPOINT_URL: cache.url },
      onKilled: () => s3.faults.splice(0),
    });
    assertResumed(nodes[0]);
    assertSentOnce(s3.bytesSent());
  },
);

fleetTest(
  "a fleet behind nginx with slices costs Ceph one download",
  noNginx ?? await missingProgram(["radosgw"]),
  async () => {
    const ceph = await startCeph();
    assert(!("skip" in ceph));
    await using _ceph = ceph;
    const bucket = await filledBucket(ceph);
    // Counts the bytes that Ceph sends.
    await using origin = startMisbehavingProxy(ceph.url);
    const cache = await startNginxCache("s3", { S3_URL: origin.url });
    assert(!("skip" in cache));
    await using _ = cache;
    const nodes = await downloadOnFleet({
      ref: `s3://${bucket}/m`,
      env: { ...ceph.env, AWS_ENDPOINT_URL: cache.url, AIM_DOWNLOAD_MAX_BANDWIDTH: "20MB" },
    });
    assertResumed(nodes[0]);
    const reads = origin.requests.filter(({ role, method }) => role === "object" && method === "GET");
    assertSentOnce(reads.reduce((sum, { sent }) => sum + sent, 0));
  },
);

fleetTest("a fleet behind olah costs the hub one download", noOlah, async () => {
  await using hub = await startHub({ repos });
  const cache = await startOlah(hub);
  assert(!("skip" in cache));
  await using _ = cache;
  const nodes = await downloadOnFleet({
    ref: "hf://org/model",
    // olah has 40 threads, and a request that waits for another one's block occupies a thread.
    env: { HF_ENDPOINT: cache.url, AIM_DOWNLOAD_JOBS: "2" },
  });
  assertResumed(nodes[0]);
  assertSentOnce(hub.bytesSent());
});

fleetTest(
  "a fleet behind nginx with slices costs a registry one download",
  noNginx ?? NO_REGISTRY,
  async () => {
    await using origin = await startRegistry();
    const cache = await startNginxCache("oci", { REGISTRY_URL: `http://${origin.host}` });
    assert(!("skip" in cache));
    await using _ = cache;
    const ref = await pushed(origin);
    const nodes = await downloadOnFleet({
      ref,
      env: {
        AIM_OCI_MIRRORS: `${origin.host}=${new URL(cache.url).host}`,
        AIM_OCI_INSECURE: "true",
        AIM_DOWNLOAD_MAX_BANDWIDTH: "20MB",
      },
    });
    assertResumed(nodes[0]);
    assertSentOnce(await origin.blobBytesSent());
  },
);

fleetTest(
  "a fleet behind a pull-through registry with nginx as its upstream costs the origin one download",
  noNginx ?? NO_REGISTRY,
  async () => {
    await using origin = await startRegistry();
    const cache = await startNginxCache("oci", { REGISTRY_URL: `http://${origin.host}` });
    assert(!("skip" in cache));
    await using _ = cache;
    await using mirror = await startRegistry({ kind: "none" }, { remote: cache.url });
    const nodes = await downloadOnFleet({
      ref: await pushed(origin),
      env: {
        AIM_OCI_MIRRORS: `${origin.host}=${mirror.host}`,
        AIM_OCI_INSECURE: "true",
        AIM_DOWNLOAD_MAX_BANDWIDTH: "20MB",
      },
    });
    assertResumed(nodes[0]);
    assertSentOnce(await origin.blobBytesSent());
    // The nodes did not contact the origin themselves. The mirror's log omits bytes sent on connections that
    // were closed early.
    assert(await mirror.blobBytesSent() > (nodes.length - 1) * FLEET_BYTES);
  },
);

fleetTest(
  "Python's client gets a model that nginx has cached, and the hub sends nothing again",
  noNginx ?? withoutPython,
  async () => {
    await using hub = await startHub({ repos });
    const cache = await startNginxCache("hub", { HUB_URL: hub.url });
    assert(!("skip" in cache));
    await using _ = cache;
    const env = { HF_ENDPOINT: cache.url };
    await downloadOnFleet({ ref: "hf://org/model", env, count: 1, kill: false });
    const directory = await Deno.makeTempDir();
    try {
      const script = "import sys\nfrom huggingface_hub import snapshot_download\n" +
        "snapshot_download('org/model', local_dir=sys.argv[1])";
      const ran = await python(script, [`${directory}/model`], { ...env, HF_HOME: `${directory}/hf` });
      assertEquals(ran.code, 0, ran.stderr);
      for (const [path, bytes] of Object.entries(FLEET_FILES)) {
        assertEquals(await Deno.readFile(`${directory}/model/${path}`), bytes, path);
      }
      assertSentOnce(hub.bytesSent());
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

fleetTest(
  "a cache keyed by the Range header costs one download if AIM_DOWNLOAD_MAX_BANDWIDTH prevents splitting of parts",
  noNginx,
  async () => {
    await using hub = await startHub({ repos, faults: [SLOW] });
    const port = freePort();
    const cache = await startNginxWith(
      { url: `http://127.0.0.1:${port}` },
      (temporary) =>
        `proxy_cache_path ${temporary}/cache keys_zone=parts:1m;
      server {
        listen 127.0.0.1:${port};
        proxy_http_version 1.1;
        proxy_cache parts;
        proxy_cache_key $uri$http_range;
        proxy_cache_valid 200 206 1h;
        proxy_cache_lock on;
        proxy_cache_lock_timeout 10m;
        proxy_cache_lock_age 10m;
        proxy_ignore_headers Cache-Control Expires Vary;
        proxy_set_header Range $http_range;
        location / { proxy_pass ${hub.cdnUrl}; }
      }`,
    );
    assert(!("skip" in cache));
    await using _ = cache;
    hub.publicCdnUrl = cache.url;
    await downloadOnFleet({
      ref: "hf://org/model",
      env: { HF_ENDPOINT: hub.url, AIM_DOWNLOAD_MAX_BANDWIDTH: "1GB" },
      kill: false,
    });
    // Small files come from the hub itself, once for each node.
    const stored = hub.requests.filter(({ role, status }) => role === "cdn" && status === 206);
    const large = Object.values(FLEET_FILES).filter(({ length }) => length > 2 ** 20);
    assertEquals(
      stored.reduce((sum, { sent }) => sum + sent, 0),
      large.reduce((sum, { length }) => sum + length, 0),
    );
  },
);

/** Makes a bucket with the model under `m/`. */
async function filledBucket({ env }: Ceph): Promise<string> {
  const { S3Client, CreateBucketCommand, PutObjectCommand } = await import("@aws-sdk/client-s3");
  const client = new S3Client({
    endpoint: env.AWS_ENDPOINT_URL ?? "",
    region: env.AWS_DEFAULT_REGION ?? "",
    forcePathStyle: true,
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? "",
    },
  });
  const Bucket = `fleet-${crypto.randomUUID().slice(0, 8)}`;
  await client.send(new CreateBucketCommand({ Bucket }));
  for (const [path, Body] of Object.entries(FLEET_FILES)) {
    await client.send(new PutObjectCommand({ Bucket, Key: `m/${path}`, Body }));
  }
  client.destroy();
  return Bucket;
}

/** Exports the model and copies it into a registry with skopeo. Returns its reference. */
async function pushed(registry: DockerRegistry): Promise<string> {
  const directory = await Deno.makeTempDir();
  try {
    await using hub = await startHub({ repos });
    const env = {
      ...plainEnvironment(),
      HF_ENDPOINT: hub.url,
      AIM_CACHE_PATH: directory,
      HOME: directory,
      DENO_DIR: denoDirectory(),
    };
    for (
      const args of [
        ["download-to-cache", "hf://org/model"],
        ["export", "org/model", `${directory}/layout`, "--tag", "v1"],
      ]
    ) {
      const ran = await aim(args, { env });
      assertEquals(ran.code, 0, ran.stderr);
    }
    await skopeo(
      ...["copy", "-q", "--dest-tls-verify=false", `oci:${directory}/layout:v1`],
      `docker://${registry.host}/models/m:v1`,
    );
    return `oci://${registry.host}/models/m:v1`;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
