import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { gzipSync } from "node:zlib";
import { HubPlacement } from "../../src/cache/hub_placement.ts";
import type { Placement } from "../../src/cache/placement.ts";
import type { LayoutName } from "../../src/cache/types.ts";
import { localPlacement } from "../../src/cache/local_placement.ts";
import { downloadModel } from "../../src/download/download_model.ts";
import type { DownloadReport } from "../../src/download/download_report.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import type { ErrorKind } from "../../src/errors/exit_codes.ts";
import { configureLog } from "../../src/log/logger.ts";
import { openSource } from "../../src/sources/open_source.ts";
import { parseModelRef } from "../../src/sources/model_ref.ts";
import type { Source } from "../../src/sources/source.ts";
import type { SourceOptions } from "../../src/sources/source_options.ts";
import { makeTar } from "../archive/make_tar.ts";
import { randomBytes } from "../servers/content.ts";
import { type FaultProxy, type ProxyFaults, startFaultProxy } from "../servers/fault_proxy.ts";
import type { Fault, SeenRequest } from "../servers/faults.ts";
import { startHub } from "../servers/hub_server.ts";
import { type OciServer, type ServedLayer, startOci } from "../servers/oci_server.ts";
import { startS3 } from "../servers/s3_server.ts";
import { fastClock } from "./fake_source.ts";

configureLog({ level: "CRITICAL" });

const KIB = 1024;
const PART = 256 * KIB;
const JOBS = 4;
const WEIGHTS = "model.safetensors";

/** Two files that are downloaded in parts, a small one and an empty one. */
const MODEL: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "config.json": new TextEncoder().encode(JSON.stringify({ architectures: ["LlamaForCausalLM"] })),
  [WEIGHTS]: randomBytes(3 * 1024 * KIB + 4321, 1),
  "tokenizer/merges.txt": randomBytes(700 * KIB, 2),
  "empty.txt": new Uint8Array(),
};

type SourceName = "hub" | "S3" | "registry" | "archives";

/** `registry`: each layer is a file; `archives`: two layers are tar archives, one of them gzipped. */
const SOURCES: readonly SourceName[] = ["hub", "S3", "registry", "archives"];

/** A server with the model, and what a test needs to download from it. */
interface Bench {
  readonly faults: Fault[];
  readonly requests: SeenRequest[];
  /** The registry, if the source is one. */
  readonly oci: OciServer | null;
  /** The proxy that carries the bytes of all files. */
  readonly proxy: FaultProxy;
  readonly directory: string;
  /** Replaces the weights at the source; on a hub, in a new commit or in the same one. */
  change(options: { sameCommit: boolean }): Promise<void>;
  download(): Promise<DownloadReport>;
  /** Published files: path to bytes. */
  published(): Record<string, Uint8Array>;
}

async function withBench(
  from: SourceName,
  layout: LayoutName,
  run: (bench: Bench) => Promise<void>,
  /** Requests per registry token. */
  usesOfToken = 100,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const clock = fastClock(50);
  const faults: Fault[] = [];
  const hub = from === "hub" ? await startHub({ repos: [{ id: "org/tiny", files: MODEL }], faults }) : null;
  const s3 = from === "S3" ? await startS3({ buckets: { models: s3Objects() }, faults }) : null;
  const isOci = from === "registry" || from === "archives";
  const oci = isOci ? await startOci({ ...ociArtifact(from, MODEL), faults, usesOfToken }) : null;
  const server = hub ?? s3 ?? oci;
  if (server === null) throw new Error("no server");
  const proxy = await startFaultProxy(hub?.cdnUrl ?? oci?.cdnUrl ?? s3?.url ?? "");
  if (hub !== null) hub.publicCdnUrl = proxy.url;
  if (oci !== null) oci.publicCdnUrl = proxy.url;
  const options: SourceOptions = {
    hfEndpoint: hub?.url ?? "http://127.0.0.1:9",
    hfToken: () => Promise.resolve(null),
    protocols: ["HTTP"],
    offline: false,
    env: oci !== null
      ? { AIM_OCI_INSECURE: oci.host }
      : s3 === null
      ? {}
      : { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url, AWS_ENDPOINT_URL: proxy.url },
    connections: JOBS,
    ...clock,
  };
  const place = placementIn(directory, layout);
  const download = async () => {
    const ref = parseModelRef(
      oci !== null ? `oci://${oci.host}/org/tiny` : from === "hub" ? "hf://org/tiny" : "s3://models/org/tiny",
    );
    const source: Source = await openSource(ref, options);
    try {
      return await downloadModel(source, place, {
        include: [],
        exclude: [],
        force: false,
        signal: new AbortController().signal,
        transfer: {
          jobs: JOBS,
          partSize: PART,
          maxBandwidth: null,
          stallTimeout: 15_000,
          verify: true,
          clock,
        },
      });
    } finally {
      source[Symbol.dispose]();
    }
  };
  try {
    await run({
      oci,
      faults,
      requests: server.requests,
      proxy,
      directory,
      download,
      async change({ sameCommit }) {
        const content = changedWeights();
        if (oci !== null) return await oci.push(ociArtifact(from, { ...MODEL, [WEIGHTS]: content }).layers);
        if (s3 !== null) return await s3.put("models", `org/tiny/${WEIGHTS}`, content);
        if (sameCommit) return await hub?.replace("org/tiny", WEIGHTS, content);
        await hub?.push("org/tiny", WEIGHTS, content);
      },
      published: () => publishedIn(directory, layout),
    });
    assertEquals(oci?.leaks ?? [], [], "a token was sent to another origin");
  } finally {
    await proxy.close();
    await server.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** One plain object, one uploaded in parts, one with a checksum. */
function s3Objects() {
  const objects = Object.entries(MODEL).map(([path, content]) => {
    if (path === WEIGHTS) return [path, { content, partSize: 1024 * KIB }] as const;
    const checksum = { algorithm: "CRC64NVME", type: "FULL_OBJECT" } as const;
    return [path, path === "config.json" ? { content, checksum } : content] as const;
  });
  return Object.fromEntries(objects.map(([path, object]) => [`org/tiny/${path}`, object]));
}

/** A ModelPack artifact: one layer per file, or two archives, with the weights in the gzipped one. */
function ociArtifact(from: SourceName, model: Readonly<Record<string, Uint8Array<ArrayBuffer>>>) {
  const type = "application/vnd.cncf.model";
  const artifactType = `${type}.manifest.v1+json`;
  const files = Object.entries(model);
  if (from === "registry") {
    const layers = files.map(([file, bytes]): ServedLayer => ({
      mediaType: `${type}.weight.v1.raw`,
      bytes,
      annotations: { "org.cncf.model.filepath": file },
      file,
    }));
    return { artifactType, layers };
  }
  const tarOf = (isWanted: (path: string) => boolean) =>
    makeTar(files.filter(([path]) => isWanted(path)).map(([name, content]) => ({ name, content })));
  const weights = new Uint8Array(gzipSync(tarOf((path) => path === WEIGHTS)));
  const layers: ServedLayer[] = [
    { mediaType: `${type}.weight.v1.tar+gzip`, bytes: weights, file: WEIGHTS },
    {
      mediaType: `${type}.weight.config.v1.tar`,
      bytes: tarOf((path) => path !== WEIGHTS),
      file: "config.json",
    },
  ];
  return { artifactType, layers };
}

function changedWeights(): Uint8Array<ArrayBuffer> {
  return randomBytes(3 * 1024 * KIB + 4321, 99);
}

function placementIn(directory: string, layout: LayoutName): Placement {
  const paths = { cachePath: directory, hfHome: directory, hfHubCache: `${directory}/hub` };
  return layout === "local"
    ? localPlacement({ paths, name: "org/tiny" })
    : new HubPlacement({ paths, name: "org/tiny" });
}

/** Every file that a reader could take for part of the model. */
function publishedIn(directory: string, layout: LayoutName): Record<string, Uint8Array> {
  const found: Record<string, Uint8Array> = {};
  const walk = (at: string, under: string) => {
    for (const entry of entriesOf(at)) {
      if (entry.name.startsWith(".") || entry.name.endsWith(".incomplete") || entry.name.endsWith(".parts")) {
        continue;
      }
      const path = join(under, entry.name);
      const info = Deno.statSync(join(at, entry.name));
      if (info.isDirectory) walk(join(at, entry.name), path);
      else found[path] = Deno.readFileSync(join(at, entry.name));
    }
  };
  if (layout === "local") walk(join(directory, "org/tiny"), "");
  if (layout === "hub") {
    const folder = join(directory, "hub/models--org--tiny");
    const commit = textOf(join(folder, "refs/main"));
    if (commit !== null) walk(join(folder, "snapshots", commit), "");
  }
  return found;
}

function entriesOf(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch {
    return [];
  }
}

function textOf(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null;
  }
}

function equal(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function assertModel(
  published: Record<string, Uint8Array>,
  model: Readonly<Record<string, Uint8Array>> = MODEL,
): void {
  assertEquals(Object.keys(published).sort(), Object.keys(model).sort());
  for (const path of Object.keys(model)) assert(equal(published[path], model[path]), `${path} differs`);
}

/** Faults during a download, and the expected outcome. */
interface Case {
  readonly faults?: readonly Fault[];
  readonly proxy?: Partial<ProxyFaults>;
  /** The error's kind, if the download must fail. */
  readonly fails?: ErrorKind;
  readonly only?: readonly SourceName[];
  /** Takes seconds: outside CI it runs only from the hub. @default {false} */
  readonly isSlow?: boolean;
}

const CASES: Readonly<Record<string, Case>> = {
  "no fault": {},
  "connections cut every 100 KiB": { faults: [{ kind: "cut", after: 100 * KIB }] },
  "connections reset every 300 KiB": { proxy: { cutAfter: 300 * KIB } },
  "30 % of requests answered 503": { faults: [{ kind: "status", status: 503, fraction: 0.3 }] },
  "30 % of requests answered 429 with Retry-After": {
    faults: [{ kind: "status", status: 429, retryAfter: 1, fraction: 0.3 }],
  },
  "a request timeout (408) and too early (425)": {
    faults: [{ kind: "status", status: 408, times: 3 }, { kind: "status", status: 425, times: 3 }],
  },
  "server errors 500, 502 and 504": {
    faults: [500, 502, 504].map((status) => ({ kind: "status", status, times: 3 } as const)),
  },
  "a stall on each connection before its first byte": {
    faults: [{ kind: "stall", after: "request", times: JOBS }],
  },
  "a stall on each connection in the middle of a body": {
    faults: [{ kind: "stall", after: 50_000, times: 2 * JOBS }],
  },
  "connections that go silent": { proxy: { stallAfter: 200 * KIB, stalls: 6 } },
  "one flipped bit": { faults: [{ kind: "flip", offset: 1_234_567, file: WEIGHTS, times: 1 }] },
  "one flipped bit in a small file": {
    faults: [{ kind: "flip", offset: 10, file: "config.json", times: 1 }],
  },
  "a truncated last part": { faults: [{ kind: "truncate", bytes: 1000, file: WEIGHTS, times: 5 }] },
  "a truncated body with a matching Content-Length": {
    faults: [{ kind: "truncate", bytes: 1000, declared: false, file: WEIGHTS, times: 3 }],
  },
  "a server without ranges": { faults: [{ kind: "ignore-range" }] },
  "a server that ignores some ranges": { faults: [{ kind: "ignore-range", fraction: 0.3 }] },
  "a server without ranges that is cut once": {
    faults: [{ kind: "ignore-range" }, { kind: "cut", after: 2 * 1024 * KIB, times: 1 }],
  },
  "a wrong Content-Range": { faults: [{ kind: "content-range", value: { shift: 64 }, times: 6 }] },
  "no Content-Range": { faults: [{ kind: "content-range", value: null, times: 6 }] },
  "expired addresses": { faults: [{ kind: "expired", times: 5 }], only: ["hub", "registry", "archives"] },
  "a listing answered 429 with Retry-After and 503": {
    faults: [
      { kind: "status", status: 429, retryAfter: 1, roles: ["api", "list"], times: 2 },
      { kind: "status", status: 503, roles: ["api", "list"], times: 2 },
    ],
  },
  "latency": { faults: [{ kind: "latency", ms: 30 }] },
  "a server that is down": { faults: [{ kind: "status", status: 503, roles: DATA() }], fails: "network" },
  "every read stalled": {
    faults: [{ kind: "stall", after: "request" }],
    fails: "network",
    isSlow: true,
  },
  "the weights damaged at the source": {
    faults: [{ kind: "flip", offset: 77, file: WEIGHTS }],
    fails: "integrity",
  },
  "a small file damaged at the source": {
    faults: [{ kind: "flip", offset: 7, file: "config.json" }],
    fails: "integrity",
  },
  "Content-Range always wrong": {
    faults: [{ kind: "content-range", value: { shift: 64 } }],
    fails: "network",
  },
};

function DATA() {
  return ["resolve", "cdn", "object"] as const;
}

/** CI runs every fault from every source into both layouts; other runs alternate between the layouts. */
const FULL = Deno.env.get("AIM_TEST_FULL") === "1";

for (const [row, [name, test]] of Object.entries(CASES).entries()) {
  for (const [column, from] of SOURCES.entries()) {
    if (test.only?.includes(from) === false) continue;
    if (!FULL && test.isSlow && from !== "hub") continue;
    for (const [at, layout] of (["local", "hub"] as const).entries()) {
      if (!FULL && from !== "archives" && (row + column) % 2 !== at) continue;
      // Unpacking does not depend on the layout, and `registry` covers downloading layers.
      if (from === "archives" && (layout === "hub" || (!FULL && row % 2 === 1))) continue;
      const outcome = test.fails === undefined
        ? "publishes the source's bytes"
        : `publishes no wrong bytes and fails with ${test.fails}`;
      Deno.test(`${name}, ${from} to the ${layout} layout: ${outcome}`, async () => {
        await withBench(from, layout, async (bench) => {
          bench.faults.push(...(test.faults ?? []).map((fault) => ({ ...fault })));
          Object.assign(bench.proxy.faults, test.proxy ?? {});
          const error = await bench.download().then(() => null, (e: unknown) => e);
          if (test.fails === undefined) {
            if (error !== null) throw error;
            for (const fault of bench.faults) {
              assert((fault.hits ?? 0) > 0, `the fault ${fault.kind} was never applied`);
            }
            return assertModel(bench.published());
          }
          assert(error instanceof AimError, String(error));
          assertEquals(error.kind, test.fails);
          assertNothingWrong(bench.published());
          // Downloaded bytes are kept, and the next run completes the model.
          bench.faults.length = 0;
          await bench.download();
          assertModel(bench.published());
        });
      });
    }
  }
}

/** Files may get their final names before the model is complete, but only with the right bytes. */
function assertNothingWrong(published: Record<string, Uint8Array>): void {
  for (const [path, bytes] of Object.entries(published)) {
    assert(equal(bytes, MODEL[path]), `${path} is wrong`);
  }
}

for (const from of ["registry", "archives"] as const) {
  Deno.test(`tokens that expire during a download, ${from}: each is renewed, and none is sent to another origin`, async () => {
    await withBench(from, "local", async (bench) => {
      // For each expired address, the registry is asked for a new one.
      bench.faults.push({ kind: "expired", times: 8 });
      await bench.download();
      assertModel(bench.published());
      assert((bench.oci?.tokens ?? 0) > 1);
    }, 8);
  });

  Deno.test(`a missing blob, ${from}: fails with not-found and publishes no wrong bytes`, async () => {
    await withBench(from, "local", async (bench) => {
      bench.oci?.remove(WEIGHTS);
      const error = await bench.download().then(() => null, (e: unknown) => e);
      assert(error instanceof AimError && error.kind === "not-found", String(error));
      assertNothingWrong(bench.published());
      await bench.change({ sameCommit: false });
      await bench.download();
      assertModel(bench.published(), { ...MODEL, [WEIGHTS]: changedWeights() });
    });
  });

  Deno.test(`a registry or token server that is down, ${from}: fails with network`, async () => {
    for (const path of ["/v2/", "/token"]) {
      await withBench(from, "local", async (bench) => {
        const match = (request: SeenRequest) => request.target.startsWith(path);
        bench.faults.push({ kind: "status", status: 503, roles: ["api"], match });
        const error = await bench.download().then(() => null, (e: unknown) => e);
        assert(error instanceof AimError && error.kind === "network", String(error));
      });
    }
  });

  Deno.test(`a registry that denies access, ${from}: fails with unauthorized after one request`, async () => {
    await withBench(from, "local", async (bench) => {
      bench.faults.push({ kind: "status", status: 403, roles: ["api"] });
      const error = await bench.download().then(() => null, (e: unknown) => e);
      assert(error instanceof AimError && error.kind === "unauthorized", String(error));
      assertEquals(bench.requests.length, 1);
    });
  });
}

for (const from of SOURCES) {
  for (const layout of ["local", "hub"] as const) {
    Deno.test(`a file replaced during a download, ${from} to the ${layout} layout: old and new bytes are never mixed`, async () => {
      await withBench(from, layout, async (bench) => {
        bench.faults.push({ kind: "latency", ms: 20 });
        let changed: Promise<void> | undefined;
        const asked = () => bench.requests.filter((r) => r.range !== null && r.sent > 0).length;
        const watch = setInterval(() => {
          if (changed === undefined && asked() >= 5) changed = bench.change({ sameCommit: from === "hub" });
        }, 5);
        const error = await bench.download().then(() => null, (e: unknown) => e);
        clearInterval(watch);
        await changed;
        assert(changed !== undefined, "the download was over before the change");
        if (error === null) {
          // The store may still serve the old file; S3 has only the new one.
          const published = bench.published();
          const old = from !== "S3" && equal(published[WEIGHTS], MODEL[WEIGHTS]);
          return assertModel(published, old ? MODEL : { ...MODEL, [WEIGHTS]: changedWeights() });
        }
        // A commit with changed content is invalid: its bytes no longer have the listed digests.
        assert(error instanceof AimError && error.kind === "integrity", String(error));
        assertEquals(bench.published()[WEIGHTS], undefined);
      });
    });

    Deno.test(`a file replaced between two runs, ${from} to the ${layout} layout: the second run starts over`, async () => {
      await withBench(from, layout, async (bench) => {
        bench.faults.push({ kind: "flip", offset: 7, file: "config.json" }, {
          kind: "slow",
          rate: 2_000_000,
        });
        await bench.download().catch(() => {});
        bench.faults.length = 0;
        await bench.change({ sameCommit: false });
        await bench.download();
        const published = bench.published();
        assert(equal(published[WEIGHTS], changedWeights()), "these are not the new weights");
      });
    });
  }
}
