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

/** A model of one large file in parts, one of three parts, and small ones. */
const MODEL: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "config.json": new TextEncoder().encode(JSON.stringify({ architectures: ["LlamaForCausalLM"] })),
  [WEIGHTS]: randomBytes(3 * 1024 * KIB + 4321, 1),
  "tokenizer/merges.txt": randomBytes(700 * KIB, 2),
  "empty.txt": new Uint8Array(),
};

type SourceName = "hub" | "S3" | "registry" | "archives";

/** The columns: a registry has the model as layers that are files, or in archives, one of which is packed. */
const SOURCES: readonly SourceName[] = ["hub", "S3", "registry", "archives"];

/** A server with the model, and everything around one download from it. */
interface Bench {
  readonly faults: Fault[];
  readonly requests: SeenRequest[];
  /** Where the source is a registry. */
  readonly oci: OciServer | null;
  /** Between the program and all bytes of files. */
  readonly proxy: FaultProxy;
  readonly directory: string;
  /** Changes the weights at the source; a hub's becomes a new commit, or stays the same one. */
  change(options: { sameCommit: boolean }): Promise<void>;
  download(): Promise<DownloadReport>;
  /** What readers see: path to bytes. */
  published(): Record<string, Uint8Array>;
}

async function withBench(
  from: SourceName,
  layout: LayoutName,
  run: (bench: Bench) => Promise<void>,
  /** Requests that a registry's token is good for. */
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
    assertEquals(oci?.leaks ?? [], [], "a token came to another origin");
  } finally {
    await proxy.close();
    await server.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** One object as it is, one uploaded in parts, one with a checksum. */
function s3Objects() {
  const objects = Object.entries(MODEL).map(([path, content]) => {
    if (path === WEIGHTS) return [path, { content, partSize: 1024 * KIB }] as const;
    const checksum = { algorithm: "CRC64NVME", type: "FULL_OBJECT" } as const;
    return [path, path === "config.json" ? { content, checksum } : content] as const;
  });
  return Object.fromEntries(objects.map(([path, object]) => [`org/tiny/${path}`, object]));
}

/** ModelPack: a layer for each file; or two archives, the one with the weights packed. */
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

/** All that a reader could take for files of the model. */
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

/** How a download goes under a fault. */
interface Case {
  readonly faults?: readonly Fault[];
  readonly proxy?: Partial<ProxyFaults>;
  /** Where it must fail: how. It must succeed otherwise. */
  readonly fails?: ErrorKind;
  readonly only?: readonly SourceName[];
}

const CASES: Readonly<Record<string, Case>> = {
  "nothing": {},
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
  "a stall on each connection in mid-body": { faults: [{ kind: "stall", after: 50_000, times: 2 * JOBS }] },
  "a link that goes silent": { proxy: { stallAfter: 200 * KIB, stalls: 6 } },
  "one flipped bit": { faults: [{ kind: "flip", offset: 1_234_567, file: WEIGHTS, times: 1 }] },
  "one flipped bit in a small file": {
    faults: [{ kind: "flip", offset: 10, file: "config.json", times: 1 }],
  },
  "a truncated last part": { faults: [{ kind: "truncate", bytes: 1000, file: WEIGHTS, times: 5 }] },
  "truncation that Content-Length admits": {
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
  "every read stalled": { faults: [{ kind: "stall", after: "request" }], fails: "network" },
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

/** Each fault from each source into both layouts, as CI does; into one of them, in turn, otherwise. */
const FULL = Deno.env.get("AIM_TEST_FULL") === "1";

for (const [row, [name, test]] of Object.entries(CASES).entries()) {
  for (const [column, from] of SOURCES.entries()) {
    if (test.only?.includes(from) === false) continue;
    for (const [at, layout] of (["local", "hub"] as const).entries()) {
      if (!FULL && from !== "archives" && (row + column) % 2 !== at) continue;
      // Once a layer is here, archives are a matter of files; how it comes is the registry's matter.
      if (from === "archives" && (layout === "hub" || (!FULL && row % 2 === 1))) continue;
      const outcome = test.fails === undefined
        ? "the published bytes are the source's"
        : `nothing wrong is published, the error is ${test.fails}`;
      Deno.test(`${name}, ${from} to the ${layout} layout: ${outcome}`, async () => {
        await withBench(from, layout, async (bench) => {
          bench.faults.push(...(test.faults ?? []).map((fault) => ({ ...fault })));
          Object.assign(bench.proxy.faults, test.proxy ?? {});
          const error = await bench.download().then(() => null, (e: unknown) => e);
          if (test.fails === undefined) {
            if (error !== null) throw error;
            for (const fault of bench.faults) {
              assert((fault.hits ?? 0) > 0, `the fault ${fault.kind} hit nothing`);
            }
            return assertModel(bench.published());
          }
          assert(error instanceof AimError, String(error));
          assertEquals(error.kind, test.fails);
          assertNothingWrong(bench.published());
          // What has arrived is kept, and the next run completes.
          bench.faults.length = 0;
          await bench.download();
          assertModel(bench.published());
        });
      });
    }
  }
}

/** Files may have their final name before the model is complete; each must be right then. */
function assertNothingWrong(published: Record<string, Uint8Array>): void {
  for (const [path, bytes] of Object.entries(published)) {
    assert(equal(bytes, MODEL[path]), `${path} is wrong`);
  }
}

for (const from of ["registry", "archives"] as const) {
  Deno.test(`tokens that expire in mid-download, ${from}: each is renewed, and none is sent to another origin`, async () => {
    await withBench(from, "local", async (bench) => {
      // Each asks the registry for another address.
      bench.faults.push({ kind: "expired", times: 8 });
      await bench.download();
      assertModel(bench.published());
      assert((bench.oci?.tokens ?? 0) > 1);
    }, 8);
  });

  Deno.test(`a blob that is missing, ${from}: the error is not-found, and no more than is right is published`, async () => {
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

  Deno.test(`a registry, or its token server, that is down, ${from}: the error is network`, async () => {
    for (const path of ["/v2/", "/token"]) {
      await withBench(from, "local", async (bench) => {
        const match = (request: SeenRequest) => request.target.startsWith(path);
        bench.faults.push({ kind: "status", status: 503, roles: ["api"], match });
        const error = await bench.download().then(() => null, (e: unknown) => e);
        assert(error instanceof AimError && error.kind === "network", String(error));
      });
    }
  });

  Deno.test(`a registry that refuses, ${from}: the error is unauthorized after one question`, async () => {
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
    Deno.test(`a file replaced in mid-download, ${from} to the ${layout} layout: what is published is of one piece`, async () => {
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
          // Bytes may come from where the old file still is; S3 has only the new one.
          const published = bench.published();
          const old = from !== "S3" && equal(published[WEIGHTS], MODEL[WEIGHTS]);
          return assertModel(published, old ? MODEL : { ...MODEL, [WEIGHTS]: changedWeights() });
        }
        // A commit whose content changes is not valid: the hub lists digests that its bytes do not have.
        assert(error instanceof AimError && error.kind === "integrity", String(error));
        assertEquals(bench.published()[WEIGHTS], undefined);
      });
    });

    Deno.test(`a file replaced between two runs, ${from} to the ${layout} layout: the second starts clean`, async () => {
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
        assert(equal(published[WEIGHTS], changedWeights()), "the weights are not the new ones");
      });
    });
  }
}
