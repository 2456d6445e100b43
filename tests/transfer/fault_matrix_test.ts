import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { cachePaths } from "../../src/cache/cache_paths.ts";
import { hubPlacement } from "../../src/cache/hub_placement.ts";
import type { LayoutName, Placement } from "../../src/cache/types.ts";
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
import { randomBytes, seededRandom } from "../servers/content.ts";
import { type FaultProxy, type ProxyFaults, startFaultProxy } from "../servers/fault_proxy.ts";
import type { Fault, SeenRequest } from "../servers/faults.ts";
import { startHub } from "../servers/hub_server.ts";
import { startS3 } from "../servers/s3_server.ts";
import { fastClock } from "./fake_source.ts";

configureLog({ level: "CRITICAL" });

const KIB = 1024;
const PART = 256 * KIB;
const JOBS = 4;
const WEIGHTS = "model.safetensors";

/** A model of one large file in parts, one of three parts, and small ones. */
const MODEL: Readonly<Record<string, Uint8Array>> = {
  "config.json": new TextEncoder().encode(JSON.stringify({ architectures: ["LlamaForCausalLM"] })),
  [WEIGHTS]: randomBytes(3 * 1024 * KIB + 4321, 1),
  "tokenizer/merges.txt": randomBytes(700 * KIB, 2),
  "empty.txt": new Uint8Array(),
};

type SourceName = "hub" | "S3";

/** A server with the model, and everything around one download from it. */
interface Bench {
  readonly faults: Fault[];
  readonly requests: SeenRequest[];
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
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const clock = fastClock(50);
  const faults: Fault[] = [];
  const hub = from === "hub" ? await startHub({ repos: [{ id: "org/tiny", files: MODEL }], faults }) : null;
  const s3 = from === "S3" ? await startS3({ buckets: { models: s3Objects() }, faults }) : null;
  const server = hub ?? s3;
  if (server === null) throw new Error("no server");
  const proxy = await startFaultProxy(hub === null ? server.url : hub.cdnUrl);
  if (hub !== null) hub.publicCdnUrl = proxy.url;
  const options: SourceOptions = {
    hfEndpoint: hub?.url ?? "http://127.0.0.1:9",
    hfToken: () => Promise.resolve(null),
    protocols: ["HTTP"],
    offline: false,
    env: s3 === null ? {} : { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.url, AWS_ENDPOINT_URL: proxy.url },
    jobs: JOBS,
    ...clock,
  };
  const place = placementIn(directory, layout);
  const download = async () => {
    const ref = parseModelRef(from === "hub" ? "hf://org/tiny" : "s3://models/org/tiny");
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
          random: seededRandom(7),
        },
      });
    } finally {
      source.close();
    }
  };
  try {
    await run({
      faults,
      requests: server.requests,
      proxy,
      directory,
      download,
      async change({ sameCommit }) {
        const content = changedWeights();
        if (s3 !== null) return await s3.put("models", `org/tiny/${WEIGHTS}`, content);
        if (sameCommit) return await hub?.replace("org/tiny", WEIGHTS, content);
        await hub?.push("org/tiny", WEIGHTS, content);
      },
      published: () => publishedIn(directory, layout),
    });
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

function changedWeights(): Uint8Array {
  return randomBytes(3 * 1024 * KIB + 4321, 99);
}

function placementIn(directory: string, layout: LayoutName): Placement {
  const paths = cachePaths({ cachePath: directory, hfHome: null, hfHubCache: null });
  return layout === "local"
    ? localPlacement({ paths, name: "org/tiny" })
    : hubPlacement({ paths, name: "org/tiny" });
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
  readonly only?: SourceName;
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
  "expired addresses": { faults: [{ kind: "expired", times: 5 }], only: "hub" },
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

for (const [name, test] of Object.entries(CASES)) {
  for (const from of ["hub", "S3"] as const) {
    if (test.only !== undefined && test.only !== from) continue;
    for (const layout of ["local", "hub"] as const) {
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
          // What came is kept, and the next run is whole.
          bench.faults.length = 0;
          await bench.download();
          assertModel(bench.published());
        });
      });
    }
  }
}

/** Files may have their final name before the model is whole; each must then be right. */
function assertNothingWrong(published: Record<string, Uint8Array>): void {
  for (const [path, bytes] of Object.entries(published)) {
    assert(equal(bytes, MODEL[path]), `${path} is wrong`);
  }
}

for (const from of ["hub", "S3"] as const) {
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
          const old = from === "hub" && equal(published[WEIGHTS], MODEL[WEIGHTS]);
          return assertModel(published, old ? MODEL : { ...MODEL, [WEIGHTS]: changedWeights() });
        }
        // A commit whose content changes is no commit: the hub lists digests that its bytes do not have.
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
