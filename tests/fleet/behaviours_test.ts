// What caches and peer-to-peer engines require of a client.
import { assert, assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { makeCertificates } from "../servers/certificates.ts";
import { safetensorsBytes } from "../servers/content.ts";
import type { SeenRequest } from "../servers/faults.ts";
import { startForwardProxy } from "../servers/forward_proxy.ts";
import { freePort } from "../servers/free_port.ts";
import { startHub } from "../servers/hub_server.ts";
import { startNginxWith } from "../servers/nginx_process.ts";
import { startS3 } from "../servers/s3_server.ts";
import { startCachingProxy } from "./caching_proxy.ts";
import { FLEET_BYTES, FLEET_FILES } from "./fleet_model.ts";
import { noNginx, startNginxCache } from "./nginx_cache.ts";
import { downloadOnFleet } from "./nodes.ts";

const MIB = 1024 * 1024;
const repos = [{ id: "org/model", files: FLEET_FILES }];
const S3_OBJECTS = Object.fromEntries(
  Object.entries(FLEET_FILES).map(([path, bytes]) => [`m/${path}`, bytes]),
);
const LARGE = Object.keys(FLEET_FILES).filter((path) => path.endsWith(".safetensors"));

/** Requested ranges by file, sorted. */
function rangesOf(requests: readonly SeenRequest[], role: SeenRequest["role"]): Record<string, string[]> {
  const ranges: Record<string, string[]> = {};
  for (const { file, range } of requests.filter((one) => one.role === role && one.method === "GET")) {
    if (file !== null && range !== null) (ranges[file] ??= []).push(range);
  }
  for (const list of Object.values(ranges)) list.sort();
  return ranges;
}

const startsIn = (ranges: Readonly<Record<string, readonly string[]>>) =>
  Object.values(ranges).flat().map((range) => Number(/^bytes=(\d+)-/.exec(range)?.[1]));

Deno.test("all nodes request the same MiB-aligned parts, also after a resume", async () => {
  await using hub = await startHub({ repos });
  const seen: Record<string, string[]>[] = [];
  for (let node = 0; node < 2; node++) {
    hub.requests.splice(0);
    // A bandwidth limit disables splitting of parts.
    const env = { HF_ENDPOINT: hub.url, AIM_DOWNLOAD_MAX_BANDWIDTH: "1GB" };
    await downloadOnFleet({ ref: "hf://org/model", env, count: 1, kill: false });
    seen.push(rangesOf(hub.requests, "cdn"));
  }
  assertEquals(Object.keys(seen[0] ?? {}).sort(), LARGE.sort());
  assertEquals(seen[1], seen[0]);
  assertEquals(startsIn(seen[0] ?? {}).filter((start) => start % MIB !== 0), []);

  const limited = { HF_ENDPOINT: hub.url, AIM_DOWNLOAD_MAX_BANDWIDTH: "40MB" };
  await downloadOnFleet({
    ref: "hf://org/model",
    env: limited,
    count: 1,
    onKilled: () => hub.requests.splice(0),
  });
  const usual = new Set(startsIn(seen[0] ?? {}));
  const resumed = rangesOf(hub.requests, "cdn");
  for (const [file, ranges] of Object.entries(resumed)) {
    const ends = ranges.map((range) => Number(range.split("-")[1]) + 1);
    // A partly downloaded part still ends where it would have ended.
    const size = FLEET_FILES[file]?.length ?? 0;
    assertEquals(ends.filter((end) => end !== size && !usual.has(end)), [], file);
  }
});

Deno.test("requests have no header or query that defeats a cache, and are identical in each run", async () => {
  await using hub = await startHub({ repos });
  await using s3 = await startS3({ buckets: { models: S3_OBJECTS } });
  const servers = [
    {
      requests: hub.requests,
      ref: "hf://org/model",
      env: { HF_ENDPOINT: hub.url },
      roles: ["resolve", "cdn"],
    },
    { requests: s3.requests, ref: "s3://models/m", env: { ...s3.env }, roles: ["object"] },
  ];
  // These depend on the time or the requested part.
  const moving = ["range", "authorization", "x-amz-date"];
  for (const { requests, ref, env, roles } of servers) {
    const runs: string[][] = [];
    for (let run = 0; run < 2; run++) {
      requests.splice(0);
      await downloadOnFleet({ ref, env, count: 1, kill: false });
      const reads = requests.filter(({ role, method }) => roles.includes(role) && method === "GET");
      assert(reads.length >= LARGE.length);
      for (const { headers, target, role } of reads) {
        assertEquals(headers.get("cache-control"), null);
        assertEquals(headers.get("pragma"), null);
        assertEquals(headers.get("accept-encoding"), "identity");
        // The hub chooses the CDN's URLs.
        if (role !== "cdn" && !target.startsWith("/api/")) assert(!target.includes("?"), target);
      }
      const lines = reads.map(({ headers }) =>
        [...headers].filter(([name]) => !moving.includes(name)).map(([name, value]) => `${name}: ${value}`)
          .sort().join("\n")
      );
      runs.push([...new Set(lines)].sort());
    }
    assertEquals(runs[1], runs[0]);
  }
});

Deno.test("the connection limit through a proxy covers all hosts together", async () => {
  const certificates = await makeCertificates();
  if ("skip" in certificates) throw new Error(certificates.skip);
  await using _ = certificates;
  const many = Object.fromEntries(
    Array.from({ length: 100 }, (_, n) => [`part${n}.safetensors`, safetensorsBytes(40_000 + n, n)]),
  );
  await using hub = await startHub({
    repos: [{ id: "org/model", files: { ...FLEET_FILES, ...many } }],
    tls: certificates.tls,
    faults: [{ kind: "slow", rate: 2e6 }],
  });
  await using proxy = await startForwardProxy();
  const directory = await Deno.makeTempDir();
  try {
    const ran = await aim(["fetch", "hf://org/model", directory, "--progress", "none"], {
      env: {
        HF_ENDPOINT: hub.url,
        HTTPS_PROXY: proxy.url,
        SSL_CERT_FILE: certificates.caPath,
        AIM_DOWNLOAD_JOBS: "16",
      },
    });
    assertEquals(ran.code, 0, ran.stderr);
    // One per job for both hosts together, one for metadata, and a few that are closing.
    assert(proxy.mostOpen < 16 + 10, `${proxy.mostOpen} connections`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

for (const ranges of [true, false]) {
  Deno.test(`a fleet behind a forward proxy that ${ranges ? "caches files" : "answers range requests with complete files"} costs the origin one download`, async () => {
    await using hub = await startHub({ repos });
    const { origin } = new URL(hub.cdnUrl);
    await using proxy = await startCachingProxy({
      ranges,
      kept: (url) => url.origin === origin || url.pathname.includes("/resolve-cache/"),
    });
    await downloadOnFleet({
      ref: "hf://org/model",
      env: { HF_ENDPOINT: hub.url, HTTP_PROXY: proxy.url },
      kill: ranges,
    });
    assert(hub.bytesSent() >= FLEET_BYTES);
    assert(hub.bytesSent() <= 1.05 * FLEET_BYTES, `${hub.bytesSent()} of ${FLEET_BYTES}`);
    if (ranges) assertEquals(proxy.wholeAnswers, 0);
  });
}

Deno.test("once a server answers a range request with the complete file, each other file is requested once", async () => {
  const files = Object.fromEntries(
    Array.from({ length: 12 }, (_, n) => [`f${n}.safetensors`, safetensorsBytes(6 * MIB, n)]),
  );
  await using hub = await startHub({
    repos: [{ id: "org/model", files }],
    faults: [{ kind: "ignore-range" }],
  });
  const directory = await Deno.makeTempDir();
  try {
    const ran = await aim(["fetch", "hf://org/model", directory, "--format", "json"], {
      env: { HF_ENDPOINT: hub.url, AIM_DOWNLOAD_PART_SIZE: "1MiB", AIM_DOWNLOAD_JOBS: "4" },
    });
    assertEquals(ran.code, 0, ran.stderr);
    assertEquals(JSON.parse(ran.stdout).provenBySize, 0);
    for (const [path, bytes] of Object.entries(files)) {
      assertEquals(await Deno.readFile(`${directory}/${path}`), bytes, path);
    }
    const asked = hub.requests.filter(({ role, method }) => role === "cdn" && method === "GET");
    // Only requests sent before the first response are wasted.
    assert(asked.length <= 12 + 8, `${asked.length} requests for 12 files of 6 parts`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

const nginxTest = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name: noNginx === null ? name : `${name} (skipped: ${noNginx})`,
    ignore: noNginx !== null,
    fn,
  });

nginxTest("a cache that serves wrong bytes causes exit code 8, and no model becomes available", async () => {
  await using hub = await startHub({ repos });
  // Once is enough: the cache repeats the wrong bytes.
  hub.faults.push({ kind: "flip", offset: 20 * MIB, file: LARGE[1] ?? "", roles: ["cdn"], times: 1 });
  const cache = await startNginxCache("hub", { HUB_URL: hub.url });
  assert(!("skip" in cache));
  await using _ = cache;
  const directory = await Deno.makeTempDir();
  try {
    const env = { HF_ENDPOINT: cache.url, AIM_CACHE_PATH: directory, HF_HOME: `${directory}/hf` };
    const ran = await aim(["download-to-cache", "hf://org/model", "--progress", "none"], { env });
    assertEquals(ran.code, 8, ran.stderr);
    assertEquals(hub.faults[0]?.hits, 1);
    const found = await aim(["resolve", "org/model"], { env: { ...env, HF_HUB_OFFLINE: "1" } });
    assertEquals(found.code, 5, found.stdout);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

nginxTest(
  "an object replaced while a node is down is downloaded again completely, never mixed",
  async () => {
    await using s3 = await startS3({ buckets: { models: S3_OBJECTS } });
    const cache = await startNginxCache("s3", { S3_URL: s3.url });
    assert(!("skip" in cache));
    await using _ = cache;
    const env = {
      ...s3.env,
      AWS_ENDPOINT_URL: cache.url,
      AIM_DOWNLOAD_MAX_BANDWIDTH: "40MB",
    };
    const fresh = Object.fromEntries(
      LARGE.map((path, n) => [path, safetensorsBytes(FLEET_FILES[path]?.length ?? 0, 100 + n)]),
    );
    const replaced: Promise<void>[] = [];
    const nodes = await downloadOnFleet({
      ref: "s3://models/m",
      env,
      count: 1,
      expected: { ...FLEET_FILES, ...fresh },
      onKilled: () => {
        for (const [path, bytes] of Object.entries(fresh)) {
          replaced.push(s3.put("models", `m/${path}`, bytes));
        }
      },
    });
    await Promise.all(replaced);
    assertEquals(nodes[0]?.code, 0);
  },
);

nginxTest(
  "headers that mark a response old, stale or uncacheable are ignored, and downloads resume",
  async () => {
    await using hub = await startHub({ repos });
    const port = freePort();
    const odd = [
      ["Age", "999999"],
      ["Cache-Control", "no-store, no-cache, must-revalidate, max-age=0"],
      ["Expires", "Thu, 01 Jan 1970 00:00:00 GMT"],
      ["Warning", '110 - "Response is Stale"'],
      ["Vary", "*"],
      ["X-Cache", "STALE"],
    ].map(([name, value]) => `add_header ${name} '${value}' always;`).join(" ");
    const server = (listen: number, to: string) =>
      `server { listen 127.0.0.1:${listen}; location / { proxy_pass ${to}; proxy_http_version 1.1;
      proxy_set_header Authorization $http_authorization; ${odd} } }`;
    const cdn = freePort();
    const proxy = await startNginxWith(
      { url: `http://127.0.0.1:${port}` },
      () => server(port, hub.url) + server(cdn, hub.cdnUrl),
    );
    assert(!("skip" in proxy));
    await using _ = proxy;
    hub.publicCdnUrl = `http://127.0.0.1:${cdn}`;
    const nodes = await downloadOnFleet({
      ref: "hf://org/model",
      env: { HF_ENDPOINT: proxy.url, AIM_DOWNLOAD_MAX_BANDWIDTH: "40MB" },
      count: 1,
    });
    const [node] = nodes;
    assert(node !== undefined && node.bytesPresent > 0);
    assertEquals(node.bytesMoved + node.bytesPresent, FLEET_BYTES);
  },
);
