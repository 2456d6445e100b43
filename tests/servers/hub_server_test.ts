import { assert, assertEquals, assertRejects } from "@std/assert";
import { makeModel } from "../fixtures/model/make_model.ts";
import { contentBytes, randomBytes, virtualContent } from "./content.ts";
import type { Fault } from "./faults.ts";
import { type HubOptions, type HubServer, startHub } from "./hub_server.ts";

const ID = "org/tiny";
const WEIGHTS = "model-00001-of-00002.safetensors";
const BIG = randomBytes(300_000, 7);

function hubTest(name: string, options: Partial<HubOptions>, body: (hub: HubServer) => Promise<void>): void {
  Deno.test(name, async () => {
    await using hub = await startHub({
      repos: [{ id: ID, files: { "config.json": "{}", "sub/big.bin": BIG, "empty.txt": "" } }],
      ...options,
    });
    await body(hub);
  });
}

/** A HEAD request as huggingface_hub sends it: follows redirects only to the same host. */
async function metadata(hub: HubServer, path: string, token?: string): Promise<Response> {
  let url = `${hub.url}/${ID}/resolve/main/${path}`;
  const headers = {
    "accept-encoding": "identity",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  while (true) {
    const response = await fetch(url, { method: "HEAD", redirect: "manual", headers });
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (location === null || URL.canParse(location)) return response;
    url = new URL(location, url).href;
  }
}

hubTest("the npm client downloads an identical snapshot", {
  repos: [{ id: ID, files: makeModel() }],
  pageSize: 3,
}, async (hub) => {
  const { snapshotDownload } = await import("@huggingface/hub");
  const cacheDir = await Deno.makeTempDir();
  const debug = console.debug;
  console.debug = () => {};
  try {
    const snapshot = await snapshotDownload({ repo: ID, hubUrl: hub.url, cacheDir });
    for (const [path, bytes] of Object.entries(makeModel())) {
      assertEquals(await Deno.readFile(`${snapshot}/${path}`), bytes, path);
    }
    assertEquals(hub.leaks, []);
  } finally {
    console.debug = debug;
    await Deno.remove(cacheDir, { recursive: true });
  }
});

hubTest("the npm client reads a file by the xet protocol", {
  repos: [{
    id: ID,
    files: { "model.safetensors": randomBytes(200_000, 3) },
    xet: () => true,
    private: true,
    allowed: ["hf_good"],
  }],
}, async (hub) => {
  const { downloadFile } = await import("@huggingface/hub");
  const blob = await downloadFile({
    repo: ID,
    path: "model.safetensors",
    hubUrl: hub.url,
    accessToken: "hf_good",
  });
  assertEquals(new Uint8Array(await (blob as Blob).arrayBuffer()), randomBytes(200_000, 3));
  const part = (blob as Blob).slice(70_000, 140_001);
  assertEquals(new Uint8Array(await part.arrayBuffer()), randomBytes(200_000, 3).slice(70_000, 140_001));
  assert(hub.requests.some((r) => r.target.startsWith("/cas/v2/reconstructions/")));
  assertEquals(hub.leaks, []);
});

hubTest(
  "a large file is answered with its digest and an absolute redirect to the second origin",
  {},
  async (hub) => {
    const head = await metadata(hub, "sub/big.bin");
    assertEquals(head.status, 302);
    assertEquals(head.headers.get("x-repo-commit"), hub.commit(ID));
    assertEquals(head.headers.get("x-linked-etag"), `"${hub.digests(ID, "sub/big.bin").sha256}"`);
    assertEquals(head.headers.get("x-linked-size"), "300000");
    assertEquals(new URL(head.headers.get("location") ?? "").origin, hub.cdnUrl);
  },
);

hubTest("a small file is served through a relative redirect, with git's digest", {}, async (hub) => {
  const head = await metadata(hub, "config.json");
  assertEquals(head.status, 200);
  assertEquals(head.headers.get("x-repo-commit"), hub.commit(ID));
  assertEquals(head.headers.get("etag"), `"${hub.digests(ID, "config.json").gitSha1}"`);
  assertEquals(head.headers.get("content-length"), "2");
  assertEquals(hub.requests.map((r) => r.status), [307, 200]);
});

hubTest("a tree is paged and includes directories", {
  pageSize: 2,
}, async (hub) => {
  const seen: string[] = [];
  let url: string | undefined = `${hub.url}/api/models/${ID}/tree/main?recursive=true&expand=false`;
  while (url !== undefined) {
    const response: Response = await fetch(url);
    const page: { path: string; type: string }[] = await response.json();
    assert(page.length <= 2);
    seen.push(...page.map(({ type, path }) => `${type} ${path}`));
    url = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
  assertEquals(seen, ["file config.json", "file empty.txt", "directory sub", "file sub/big.bin"]);
});

hubTest("ranges are served as RFC 9110 requires", {}, async (hub) => {
  const url = `${hub.url}/${ID}/resolve/main/sub/big.bin`;
  const cases: [string, number, string | null, Uint8Array | null][] = [
    ["bytes=0-0", 206, "bytes 0-0/300000", BIG.slice(0, 1)],
    ["bytes=100-199", 206, "bytes 100-199/300000", BIG.slice(100, 200)],
    ["bytes=299990-", 206, "bytes 299990-299999/300000", BIG.slice(299990)],
    ["bytes=-5", 206, "bytes 299995-299999/300000", BIG.slice(299995)],
    ["bytes=0-999999", 206, "bytes 0-299999/300000", BIG],
    ["bytes=300000-", 416, "bytes */300000", null],
    ["lines=1-2", 200, null, BIG],
  ];
  for (const [range, status, contentRange, bytes] of cases) {
    const response = await fetch(url, { headers: { range } });
    assertEquals([response.status, response.headers.get("content-range")], [status, contentRange], range);
    const body = new Uint8Array(await response.arrayBuffer());
    if (bytes !== null) assertEquals(body, bytes, range);
  }
});

hubTest("gated files are refused with the hub's error codes, and their metadata is public", {
  repos: [{ id: ID, files: { "config.json": "{}" }, gated: "manual", allowed: ["hf_good"] }],
  tokens: ["hf_good", "hf_stranger"],
}, async (hub) => {
  const of = (response: Response) => [response.status, response.headers.get("x-error-code")];
  assertEquals(of(await metadata(hub, "config.json")), [401, "GatedRepo"]);
  assertEquals(of(await metadata(hub, "config.json", "hf_stranger")), [403, "GatedRepo"]);
  assertEquals(of(await metadata(hub, "config.json", "hf_unknown")), [401, null]);
  assertEquals(of(await metadata(hub, "config.json", "hf_good")), [200, null]);
  const tree = await fetch(`${hub.url}/api/models/${ID}/tree/main`);
  assertEquals([tree.status, (await tree.json()).length], [200, 1]);
});

hubTest("missing repositories, revisions and files have different error codes", {
  repos: [{ id: ID, files: { "config.json": "{}" }, private: true, allowed: ["hf_good"] }],
  tokens: ["hf_good", "hf_stranger"],
}, async (hub) => {
  const ask = async (path: string, token?: string) => {
    const headers: HeadersInit = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(hub.url + path, { headers });
    await response.body?.cancel();
    return [response.status, response.headers.get("x-error-code")];
  };
  assertEquals(await ask("/api/models/no/such"), [401, "RepoNotFound"]);
  assertEquals(await ask("/api/models/no/such", "hf_good"), [404, "RepoNotFound"]);
  assertEquals(await ask(`/api/models/${ID}`, "hf_stranger"), [404, "RepoNotFound"]);
  assertEquals(await ask(`/api/models/${ID}/revision/v9`, "hf_good"), [404, "RevisionNotFound"]);
  assertEquals(await ask(`/${ID}/resolve/v9/config.json`, "hf_good"), [404, "RevisionNotFound"]);
  assertEquals(await ask(`/${ID}/resolve/main/none`, "hf_good"), [404, "EntryNotFound"]);
  assertEquals(await ask(`/${ID}/resolve/${hub.commit(ID)}/config.json`, "hf_good"), [200, null]);
});

hubTest("a token that reaches the second origin is refused and recorded", {}, async (hub) => {
  const head = await metadata(hub, "sub/big.bin");
  const signed = head.headers.get("location") ?? "";
  const response = await fetch(signed, { headers: { authorization: "Bearer hf_x" } });
  await response.body?.cancel();
  assertEquals(response.status, 400);
  assertEquals(hub.leaks.length, 1);
});

hubTest("a signed URL works until it expires", {}, async (hub) => {
  const signed = (await metadata(hub, "sub/big.bin")).headers.get("location") ?? "";
  const first = await fetch(signed);
  assertEquals(new Uint8Array(await first.arrayBuffer()), BIG);
  hub.expireUrls();
  const second = await fetch(signed);
  await second.body?.cancel();
  assertEquals(second.status, 403);
});

hubTest("a pushed commit moves the branch, and the old commit stays readable", {
  repos: [{ id: ID, files: { "config.json": "old" }, refs: { "v1.0": { "config.json": "tagged" } } }],
}, async (hub) => {
  const old = hub.commit(ID);
  await hub.push(ID, "config.json", "new");
  const read = async (ref: string) =>
    await (await fetch(`${hub.url}/${ID}/resolve/${ref}/config.json`)).text();
  assertEquals([await read(old), await read("main"), await read("v1.0")], ["old", "new", "tagged"]);
});

Deno.test("virtual content is the same from any start offset", async () => {
  for (const kind of ["random", "zeros"] as const) {
    const content = virtualContent({ size: 3_000_001, seed: 5, kind });
    const all = await contentBytes(content);
    for (
      const [start, end] of [[0, 1], [1_048_575, 1_048_577], [2_000_000, 3_000_001], [
        65_535,
        65_545,
      ]] as const
    ) {
      let at = start;
      for await (const piece of content.read(start, end)) {
        assertEquals(piece.slice(), all.slice(at, at + piece.length), `${kind} ${start}-${end}`);
        at += piece.length;
      }
      assertEquals(at, end);
    }
  }
});

interface Outcome {
  status: number;
  bytes: number;
  right: boolean;
  broken: boolean;
  contentRange: string | null;
}

async function readBig(hub: HubServer, range?: string): Promise<Outcome> {
  const signal = AbortSignal.timeout(1000);
  const headers: HeadersInit = range === undefined ? {} : { range };
  const start = Number(/=(\d+)/.exec(range ?? "")?.[1] ?? 0);
  let [status, bytes, right, contentRange] = [0, 0, true, null as string | null];
  try {
    const response = await fetch(`${hub.url}/${ID}/resolve/main/sub/big.bin`, { headers, signal });
    status = response.status;
    contentRange = response.headers.get("content-range");
    for await (const piece of response.body ?? []) {
      for (const byte of piece) {
        if (byte !== BIG[start + bytes++]) right = false;
      }
    }
    return { status, bytes, right, contentRange, broken: false };
  } catch {
    return { status, bytes, right, contentRange, broken: true };
  }
}

const RANGE = "bytes=1000-200999";
const RANGED = {
  status: 206,
  bytes: 200_000,
  right: true,
  broken: false,
  contentRange: "bytes 1000-200999/300000",
};
const CDN = { roles: ["cdn"] } as const;
const FAULTS: [string, Fault, Partial<Outcome>][] = [
  ["status", { kind: "status", status: 503, retryAfter: 1, ...CDN }, {
    status: 503,
    right: false,
    contentRange: null,
  }],
  ["cut", { kind: "cut", after: 1234 }, { bytes: 1234, broken: true }],
  ["stall before the answer", { kind: "stall", after: "request", ...CDN }, {
    status: 0,
    bytes: 0,
    broken: true,
    contentRange: null,
  }],
  ["stall in the body", { kind: "stall", after: 5000, ...CDN }, { bytes: 5000, broken: true }],
  ["latency", { kind: "latency", ms: 20 }, {}],
  ["slow", { kind: "slow", rate: 2_000_000 }, {}],
  ["flip", { kind: "flip", offset: 1500 }, { right: false }],
  ["flip elsewhere", { kind: "flip", offset: 999 }, {}],
  ["truncate", { kind: "truncate", bytes: 10, ...CDN }, { bytes: 199_990, broken: true }],
  ["truncate with its length", { kind: "truncate", bytes: 10, declared: false, ...CDN }, { bytes: 199_990 }],
  ["ignore-range", { kind: "ignore-range" }, {
    status: 200,
    bytes: 300_000,
    right: false,
    contentRange: null,
  }],
  ["content-range", { kind: "content-range", value: { shift: 1 } }, {
    contentRange: "bytes 1001-201000/300000",
  }],
  ["no content-range", { kind: "content-range", value: null }, { contentRange: null }],
  ["content-length, too large", { kind: "content-length", delta: 5, ...CDN }, { broken: true }],
  ["content-length, too small", { kind: "content-length", delta: -5, ...CDN }, { bytes: 199_995 }],
  ["expired", { kind: "expired" }, { status: 403, right: false, contentRange: null }],
];

for (const [name, fault, expected] of FAULTS) {
  hubTest(`fault: ${name}`, {}, async (hub) => {
    hub.faults.push({ ...fault, times: 1 } as Fault);
    const outcome = await readBig(hub, RANGE);
    const wanted = { ...RANGED, ...expected };
    // An error's body is not the file, so its length does not matter.
    if (outcome.status >= 400) wanted.bytes = outcome.bytes;
    assertEquals(outcome, wanted);
    const missed = name === "flip elsewhere";
    assertEquals(hub.faults[0]?.hits ?? 0, missed ? 0 : 1);
    assertEquals(await readBig(hub, RANGE), RANGED, "the next request is not served correctly");
  });
}

hubTest("a fault with a fraction is applied to that share of requests", { seed: 3 }, async (hub) => {
  hub.faults.push({ kind: "status", status: 503, fraction: 0.3, roles: ["api"] });
  let failed = 0;
  for (let i = 0; i < 100; i++) {
    const response = await fetch(`${hub.url}/api/models/${ID}`);
    await response.body?.cancel();
    if (response.status === 503) failed++;
  }
  assert(failed > 15 && failed < 45, `${failed}`);
  assertEquals(hub.faults[0]?.hits, failed);
});

hubTest("a request for weights with another ETag is answered with 412", {}, async (hub) => {
  const signed = (await metadata(hub, "sub/big.bin")).headers.get("location") ?? "";
  const response = await fetch(signed, { headers: { "if-match": '"another"' } });
  await response.body?.cancel();
  assertEquals(response.status, 412);
});

Deno.test("a closed hub refuses connections", async () => {
  const hub = await startHub({ repos: [{ id: ID, files: { [WEIGHTS]: "x" } }] });
  await hub.close();
  await assertRejects(() => fetch(hub.url), TypeError);
});

hubTest("refs, whoami and If-Range are supported", {
  repos: [{ id: ID, files: { "a.bin": BIG }, refs: { "v1.0": {}, "refs/pr/1": { "a.bin": "changed" } } }],
  tokens: ["hf_good"],
}, async (hub) => {
  const refs = await (await fetch(`${hub.url}/api/models/${ID}/refs`)).json();
  assertEquals(refs.branches, [{ name: "main", ref: "refs/heads/main", targetCommit: hub.commit(ID) }]);
  assertEquals(refs.tags[0]?.ref, "refs/tags/v1.0");
  const pull = await fetch(`${hub.url}/${ID}/resolve/refs%2Fpr%2F1/a.bin`);
  assertEquals(await pull.text(), "changed");
  const who = await fetch(`${hub.url}/api/whoami-v2`, { headers: { authorization: "Bearer hf_good" } });
  assertEquals((await who.json()).name, "tester");
  const url = `${hub.url}/${ID}/resolve/main/a.bin`;
  const { headers, body } = await fetch(url);
  await body?.cancel();
  for (const [ifRange, status] of [[headers.get("etag") ?? "", 206], ['"another"', 200]] as const) {
    const response = await fetch(url, { headers: { range: "bytes=5-9", "if-range": ifRange } });
    await response.body?.cancel();
    assertEquals(response.status, status);
  }
});

for (
  const [program, args, path] of [
    ["hub_main.ts", ["--id", "org/m"], "/api/models/org/m/tree/main"],
    [
      "s3_main.ts",
      ["--bucket", "b", "--fault", '{"kind":"status","status":503,"roles":["list"]}'],
      "/b?list-type=2",
    ],
  ] as const
) {
  Deno.test(`${program} serves a directory and prints its address`, async () => {
    const dir = await Deno.makeTempDir();
    await Deno.writeTextFile(`${dir}/config.json`, "{}");
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-P", new URL(program, import.meta.url).pathname, "--dir", dir, ...args],
      cwd: new URL("../../", import.meta.url),
      stdout: "piped",
    }).spawn();
    try {
      const reader = child.stdout.getReader();
      const line = new TextDecoder().decode((await reader.read()).value);
      const response = await fetch(JSON.parse(line).url + path);
      const text = await response.text();
      assert(program === "hub_main.ts" ? text.includes("config.json") : response.status === 503, text);
      child.kill();
      await reader.cancel();
    } finally {
      await child.status;
      await Deno.remove(dir, { recursive: true });
    }
  });
}
