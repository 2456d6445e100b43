import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { streamOf } from "./stream_of.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import type { ErrorKind } from "../../src/errors/exit_codes.ts";
import { pathFilter } from "../../src/sources/filter_paths.ts";
import { openSource } from "../../src/sources/open_source.ts";
import { parseModelRef } from "../../src/sources/model_ref.ts";
import { type Source, SourceChangedError, TransientError } from "../../src/sources/source.ts";
import type { SourceOptions } from "../../src/sources/source_options.ts";
import { type HubServer, startHub } from "../servers/hub_server.ts";

const LARGE = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
const FILES = {
  "config.json": '{"model_type":"llama"}',
  "empty.txt": "",
  "model.safetensors": LARGE,
  "sub/dir/ö ü#1?x%25+&.json": "odd name",
};
const SIGNAL = new AbortController().signal;

function options(
  hub: { url: string },
  more: Partial<SourceOptions> & { token?: string } = {},
): SourceOptions {
  const { token, ...rest } = more;
  return {
    hfEndpoint: hub.url,
    hfToken: () => Promise.resolve(token ?? null),
    protocols: ["HTTP"],
    offline: false,
    env: {},
    connections: 4,
    sleep: () => Promise.resolve(),
    ...rest,
  };
}

async function open(model: string, given: SourceOptions): Promise<Source> {
  return await openSource(parseModelRef(model), given);
}

async function bytesOf(
  source: Source,
  path: string,
  range: [number, number] | null = null,
): Promise<Uint8Array> {
  const { files } = await source.manifest();
  const file = files.find((f) => f.path === path);
  assert(file !== undefined, path);
  const { body } = await source.read(
    file,
    range === null ? null : { start: range[0], end: range[1] },
    SIGNAL,
  );
  return await new Response(streamOf({ body })).bytes();
}

async function refusal(hub: HubServer, model: string, more: Parameters<typeof options>[1] = {}) {
  using source = await open(model, options(hub, more));
  return await assertRejects(async () => {
    const { files } = await source.manifest();
    const file = files.find((f) => f.size > 0);
    assert(file !== undefined);
    await source.read(file, null, SIGNAL);
  }, AimError);
}

Deno.test("a hub manifest names the commit, sizes and digests of all files, sorted", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  using source = await open("org/model", options(hub));
  const manifest = await source.manifest();
  assertEquals(manifest.source, "hf://org/model");
  assertEquals(manifest.revision, "main");
  assertEquals<string | null>(manifest.commit, hub.commit("org/model"));
  assertEquals(manifest.files.map((f) => f.path as string), Object.keys(FILES).sort());
  const digests = hub.digests("org/model", "model.safetensors");
  const weights = manifest.files.find((f) => f.path === "model.safetensors");
  assertEquals(weights?.digest, { algorithm: "sha256", hex: digests.sha256 });
  assertEquals(weights?.etag, digests.sha256);
  const config = manifest.files.find((f) => f.path === "config.json");
  assertEquals(config?.digest, {
    algorithm: "git-sha1",
    hex: hub.digests("org/model", "config.json").gitSha1,
  });
});

Deno.test("a list of several pages is read completely with one request per page", async () => {
  const files = Object.fromEntries(Array.from({ length: 23 }, (_, i) => [`d${i % 3}/f${i}.txt`, `${i}`]));
  await using hub = await startHub({ repos: [{ id: "org/model", files }], pageSize: 5 });
  using source = await open("org/model", options(hub));
  assertEquals((await source.manifest()).files.length, 23);
  const trees = hub.requests.filter((r) => r.target.includes("/tree/"));
  assert(trees.length >= 5 && trees.length <= 6, `${trees.length}`);
  assertEquals(hub.requests.length, trees.length + 1);
});

Deno.test("every file is read correctly: odd names, empty files, complete and in ranges", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  using source = await open("org/model", options(hub));
  for (const [path, content] of Object.entries(FILES)) {
    const expected = typeof content === "string" ? new TextEncoder().encode(content) : content;
    assertEquals(await bytesOf(source, path), expected, path);
  }
  assertEquals(await bytesOf(source, "model.safetensors", [1000, 70_000]), LARGE.slice(1000, 70_000));
  assertEquals(await bytesOf(source, "model.safetensors", [299_999, 300_000]), LARGE.slice(299_999));
});

Deno.test("the token is sent only to the hub, never to a redirect's target", async () => {
  const repo = { id: "org/model", files: FILES, gated: "manual" as const, allowed: ["hf_goodtoken"] };
  await using hub = await startHub({ repos: [repo] });
  using source = await open("org/model", options(hub, { token: "hf_goodtoken" }));
  assertEquals(await bytesOf(source, "model.safetensors", [0, 10]), LARGE.slice(0, 10));
  assertEquals(hub.leaks, []);
  assert(hub.requests.some((r) => r.role === "cdn"));
  assertEquals(hub.requests.filter((r) => r.role === "cdn" && r.authorized), []);
  assertEquals(hub.requests.filter((r) => r.role === "resolve" && !r.authorized), []);
});

Deno.test("a redirect is resolved once for many ranges, and again after it expires", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  using source = await open("org/model", options(hub));
  const { files } = await source.manifest();
  const file = files.find((f) => f.path === "model.safetensors");
  assert(file !== undefined);
  const resolved = () => hub.requests.filter((r) => r.role === "resolve").length;
  const part = async (start: number) => {
    const { body } = await source.read(file, { start, end: start + 100 }, SIGNAL);
    assertEquals(await new Response(streamOf({ body })).bytes(), LARGE.slice(start, start + 100));
  };
  for (const start of [0, 100, 200]) await part(start);
  assertEquals(resolved(), 1);
  hub.expireUrls();
  await part(300);
  assertEquals(resolved(), 2);
});

Deno.test("a revision is a branch, a tag or a commit, and files are read at its commit", async () => {
  const refs = { "v1.0": { "config.json": "tagged" }, "refs/pr/1": { "config.json": "pr" } };
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES, refs }] });
  for (
    const [revision, text] of [["v1.0", "tagged"], ["refs/pr/1", "pr"], [
      hub.commit("org/model", "v1.0"),
      "tagged",
    ]]
  ) {
    using source = await open(`hf://org/model@${revision}`, options(hub));
    assertEquals(new TextDecoder().decode(await bytesOf(source, "config.json")), text);
  }
  using source = await open("org/model", options(hub));
  const { files } = await source.manifest();
  const config = files.find((f) => f.path === "config.json");
  assert(config !== undefined);
  await hub.push("org/model", "config.json", "newer");
  const { body } = await source.read(config, null, SIGNAL);
  assertEquals(await new Response(streamOf({ body })).text(), FILES["config.json"]);
});

Deno.test("a file replaced within its commit is reported as a changed source", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  using source = await open("org/model", options(hub));
  const { files } = await source.manifest();
  for (const path of ["model.safetensors", "config.json"]) {
    const file = files.find((f) => f.path === path);
    assert(file !== undefined);
    await hub.replace("org/model", path, "another");
    await assertRejects(() => source.read(file, null, SIGNAL), SourceChangedError);
  }
});

Deno.test("include and exclude select files, and names of excluded files are not checked", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: { ...FILES, "../evil": "x" } }] });
  using source = await open("org/model", options(hub));
  const chosen = await source.manifest({ wanted: pathFilter(["*.json", "sub/"], ["config*"]) });
  assertEquals(chosen.files.map((f) => f.path as string), ["sub/dir/ö ü#1?x%25+&.json"]);
  const error = await assertRejects(() => source.manifest(), AimError);
  assertEquals(error.kind, "integrity");
  assertStringIncludes(error.line, '"../evil"');
});

Deno.test("errors say what is missing and have the documented kind", async (t) => {
  const repos = [
    { id: "org/open", files: FILES },
    { id: "org/gated", files: FILES, gated: "manual" as const, allowed: ["hf_member"] },
    { id: "org/private", files: FILES, private: true, allowed: ["hf_member"] },
  ];
  await using hub = await startHub({ repos, tokens: ["hf_member", "hf_stranger"] });
  const cases: [what: string, model: string, token: string | undefined, kind: ErrorKind, words: string][] = [
    [
      "gated, no token",
      "org/gated",
      undefined,
      "unauthorized",
      `ask for access at ${hub.url}/org/gated, then set HF_TOKEN`,
    ],
    [
      "gated, no access",
      "org/gated",
      "hf_stranger",
      "unauthorized",
      `ask for access at ${hub.url}/org/gated`,
    ],
    ["token rejected", "org/open", "hf_wrong_token", "unauthorized", "rejects the token"],
    ["private, no access", "org/private", "hf_stranger", "not-found", "that the token can access"],
    ["private, no token", "org/private", undefined, "not-found", "if the model is private, set HF_TOKEN"],
    ["no such model", "org/none", undefined, "not-found", "has no model org/none"],
    ["no such revision", "org/open@nope", undefined, "not-found", 'no revision "nope"'],
  ];
  for (const [what, model, token, kind, words] of cases) {
    await t.step(what, async () => {
      const error = await refusal(hub, model, token === undefined ? {} : { token });
      assertEquals(error.kind, kind, error.line);
      assertStringIncludes(error.line, words);
      if (token !== undefined) assert(!error.line.includes(token), error.line);
    });
  }
});

Deno.test("metadata requests are retried while the hub is busy, then fail", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  const waits: number[] = [];
  const sleep = (ms: number) => Promise.resolve(void waits.push(ms));
  hub.faults.push({ kind: "status", status: 429, retryAfter: 7, roles: ["api"], times: 2 });
  using source = await open("org/model", options(hub, { sleep }));
  assertEquals((await source.manifest()).files.length, 4);
  assertEquals(waits.map((ms) => Math.ceil(ms / 1000)), [7, 7]);
  hub.faults.push({ kind: "status", status: 503, roles: ["api"] });
  const error = await assertRejects(() => source.manifest(), AimError);
  assertEquals(error.kind, "network");
});

Deno.test("a read is not retried, and its error has the server's Retry-After", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  for (const path of ["config.json", "model.safetensors"]) {
    using source = await open("org/model", options(hub));
    const { files } = await source.manifest();
    const file = files.find((f) => f.path === path);
    assert(file !== undefined);
    for (const status of [408, 425, 429, 500, 503]) {
      hub.faults.push({ kind: "status", status, retryAfter: 3, times: 1, roles: ["cdn", "resolve"] });
      const error = await assertRejects(() => source.read(file, null, SIGNAL), TransientError);
      assertEquals(error.retryAfter, 3000, `${path} ${status}`);
    }
  }
});

Deno.test("a response for another range is rejected, and a server that ignores ranges yields the complete file", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  using source = await open("org/model", options(hub));
  const { files } = await source.manifest();
  const file = files.find((f) => f.path === "model.safetensors");
  assert(file !== undefined);
  const range = { start: 100, end: 200 };
  for (const value of [null, "bytes 0-99/300000", "lines 100-199/300000", { shift: 1 }]) {
    hub.faults.push({ kind: "content-range", value, times: 1 });
    await assertRejects(() => source.read(file, range, SIGNAL), TransientError);
  }
  hub.faults.push({ kind: "content-range", value: "bytes 100-199/300001", times: 1 });
  await assertRejects(() => source.read(file, range, SIGNAL), SourceChangedError);
  hub.faults.push({ kind: "ignore-range", times: 2, roles: ["cdn", "resolve"] });
  const whole = await source.read(file, range, SIGNAL);
  assertEquals(whole.range, { start: 0, end: 300_000 });
  assertEquals(await new Response(streamOf(whole)).bytes(), LARGE);
});

Deno.test("XET reads ranges if it is selected, and HTTP is the fallback", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES, xet: () => true }] });
  using source = await open("org/model", options(hub, { protocols: ["XET", "HTTP"] }));
  assertEquals(await bytesOf(source, "model.safetensors", [65_000, 200_000]), LARGE.slice(65_000, 200_000));
  assert(hub.requests.some((r) => r.target.startsWith("/xorbs/")));
  assertEquals(hub.leaks, []);
  hub.faults.push({ kind: "status", status: 500, match: (r) => r.target.includes("/cas/") });
  assertEquals(await bytesOf(source, "model.safetensors", [5, 150_000]), LARGE.slice(5, 150_000));
  assert(hub.requests.some((r) => r.target.startsWith("/repos/")));
});

Deno.test("a gated model is refused when a read by XET starts", async () => {
  const repo = { id: "org/model", files: FILES, xet: () => true, gated: "manual" as const };
  await using hub = await startHub({ repos: [repo] });
  using source = await open("org/model", options(hub, { protocols: ["XET", "HTTP"] }));
  const file = (await source.manifest()).files.find(({ path }) => path === "model.safetensors");
  assert(file !== undefined);
  const error = await assertRejects(() => source.read(file, { start: 0, end: 1 }, SIGNAL), AimError);
  assertEquals(error.kind, "unauthorized");
});

Deno.test("XET data that ends early is a transient error, and the retry uses HTTP", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES, xet: () => true }] });
  using source = await open("org/model", options(hub, { protocols: ["XET", "HTTP"] }));
  hub.faults.push({ kind: "cut", after: 70_000, match: (r) => r.target.startsWith("/xorbs/"), times: 1 });
  await assertRejects(() => bytesOf(source, "model.safetensors"), TransientError, "by XET");
  assertEquals(await bytesOf(source, "model.safetensors"), LARGE);
});

Deno.test("a hub may be below a path, and its links may be relative or point to the public hub", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }], pageSize: 2 });
  const forms = [
    (link: string) => link.replace(hub.url, "/mirror/hf").replace('rel="next"', "rel=next"),
    (link: string) => link.replace(hub.url, "https://huggingface.co"),
  ];
  for (const form of forms) {
    const front = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
      const url = new URL(request.url);
      assert(url.pathname.startsWith("/mirror/hf/"), url.pathname);
      const answer = await fetch(hub.url + url.pathname.slice("/mirror/hf".length) + url.search, {
        redirect: "manual",
      });
      const headers = new Headers(answer.headers);
      const link = headers.get("link");
      if (link !== null) headers.set("link", form(link));
      return new Response(await answer.bytes(), { status: answer.status, headers });
    });
    using source = await open(
      "org/model",
      options({ url: `http://127.0.0.1:${front.addr.port}/mirror/hf/` }),
    );
    assertEquals((await source.manifest()).files.length, 4);
    await front.shutdown();
  }
});

Deno.test("no request is sent in offline mode", () => {
  const error = assertThrows(
    () => openSource(parseModelRef("org/model"), options({ url: "http://127.0.0.1:6" }, { offline: true })),
    AimError,
  );
  assertEquals(error.kind, "not-found");
  assertStringIncludes(error.line, "HF_HUB_OFFLINE");
});

Deno.test("an endpoint that is not a hub is a network error, on one line", async () => {
  const page = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("<html>log in</html>", { headers: { "content-type": "text/html" } }),
  );
  using source = await open("org/model", options({ url: `http://127.0.0.1:${page.addr.port}` }));
  const error = await assertRejects(() => source.manifest(), AimError);
  assertEquals(error.kind, "network");
  assertStringIncludes(error.line, "web page");
  await page.shutdown();
});
