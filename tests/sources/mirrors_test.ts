import { assert, assertEquals, assertRejects } from "@std/assert";
import { abortable } from "@std/async/abortable";
import { AimError } from "../../src/errors/aim_error.ts";
import type { ErrorKind } from "../../src/errors/exit_codes.ts";
import { configureLog } from "../../src/log/logger.ts";
import { hubError } from "../../src/sources/hub/hub_error.ts";
import { HubRepository, redirectOf } from "../../src/sources/hub/hub_repository.ts";
import { HubSource } from "../../src/sources/hub/hub_source.ts";
import { SourceChangedError, TransientError } from "../../src/sources/source.ts";
import type { SourceOptions } from "../../src/sources/source_options.ts";
import { digestMatches, digestSpecs, digestStream } from "../../src/transfer/hash/digests.ts";
import { type HubServer, startHub } from "../servers/hub_server.ts";
import { type MirrorWay, startHubMirror } from "../servers/hub_mirror.ts";
import { streamOf } from "./stream_of.ts";

const LARGE = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
const FILES = {
  "config.json": '{"model_type":"llama"}',
  "README.md": "hello\n".repeat(500),
  "empty.txt": "",
  "model.safetensors": LARGE,
  "sub/dir/a.txt": "deep",
};
const SIGNAL = new AbortController().signal;

function optionsFor(endpoint: string, token: string | null): SourceOptions {
  return {
    hfEndpoint: endpoint,
    hfToken: () => Promise.resolve(token),
    protocols: ["HTTP"],
    offline: false,
    env: {},
    connections: 4,
    sleep: () => Promise.resolve(),
  };
}

function open(endpoint: string, token: string | null = null): HubSource {
  const ref = { kind: "hub", id: "org/model", revision: null } as const;
  return new HubSource(ref, optionsFor(endpoint, token));
}

/** Reads every file completely, and a part of the weights; checks digests as a transfer does. */
async function readAll(source: HubSource): Promise<{ files: number; unproven: number }> {
  const { files } = await source.manifest();
  for (const file of files) {
    const body = await source.read(file, null, SIGNAL);
    const bytes = await new Response(streamOf(body)).bytes();
    assertEquals(bytes.length, file.size, file.path);
    if (file.digest === null) continue;
    const digests = digestStream(digestSpecs(file.digest), file.size);
    digests.update(bytes);
    assert(digestMatches(file.digest, digests.digests()), file.path);
  }
  const weights = files.find((file) => file.path === "model.safetensors");
  assert(weights !== undefined);
  const part = await source.read(weights, { start: 1000, end: 70_000 }, SIGNAL);
  const bytes = await new Response(streamOf(part)).bytes();
  assertEquals(bytes, LARGE.slice(part.range.start, part.range.end));
  return {
    files: files.length,
    unproven: files.filter((file) => file.digest === null && file.size > 0).length,
  };
}

const hub = (): Promise<HubServer> => startHub({ repos: [{ id: "org/model", files: FILES }], pageSize: 2 });

const SOUND: [ways: MirrorWay[], unproven?: number][] = [
  [["no-expand"]],
  [["no-tree"]],
  [["page-circle"]],
  [["first-page"]],
  [["no-tree-400"]],
  [["no-tree-405", "no-expand"]],
  [["no-tree", "names-only"], 4],
  // After the redirect, the hub's own headers include the SHA-256 of the weights.
  [["no-tree", "names-only", "redirect-307"], 3],
  [["no-tree", "names-only", "own-etags"], 4],
  // The repeated page has two files.
  [["page-circle", "names-only", "own-etags"], 2],
  [["no-tree", "names-only", "no-etags"], 4],
  [["own-etags"]],
  [["weak-etags"]],
  [["no-etags"]],
  [["commit-is-branch"]],
  [["gzip"]],
  [["gzip", "weak-etags", "no-ranges", "chunked"]],
  [["chunked"]],
  [["no-ranges"]],
  [["lost-path"]],
  [["redirect-307"]],
  [["redirect-308"]],
];

for (const [ways, unproven = 0] of SOUND) {
  Deno.test(`a model is read correctly through a mirror that differs from the hub: ${ways.join(", ")}`, async () => {
    await using upstream = await hub();
    await using mirror = startHubMirror(upstream, ...ways);
    using source = open(mirror.url);
    assertEquals(await readAll(source), { files: 5, unproven });
  });
}

Deno.test("files without a digest are reported once, with an example", async () => {
  const lines: string[] = [];
  await using upstream = await hub();
  await using mirror = startHubMirror(upstream, "no-tree", "names-only", "no-etags");
  using source = open(mirror.url);
  configureLog({ level: "WARNING", format: "text", write: (line) => lines.push(line) });
  await source.manifest();
  assertEquals(lines.length, 1);
  assert(lines[0]?.includes("hf://org/model has no digest for 4 of 5 files"), lines[0]);
  assert(lines[0]?.endsWith("example=README.md"), lines[0]);
});

Deno.test("a mirror's token is not sent along when the mirror redirects to another hub", async () => {
  await using upstream = await hub();
  await using mirror = startHubMirror(upstream, "redirect-307");
  using source = open(mirror.url, "hf_mirrortoken");
  assertEquals((await readAll(source)).files, 5);
  assert(mirror.authorized.length > 0);
  assertEquals(upstream.requests.filter((request) => request.authorized), []);
});

const BROKEN: [way: MirrorWay, kind: ErrorKind, words: string][] = [
  ["portal-everywhere", "network", "web page"],
  ["portal", "network", "Sign in"],
  ["json-error", "network", "upstream is down"],
  ["json-error-files", "network", "no artifact"],
  ["file-redirect", "network", "file:"],
];

for (const [way, kind, words] of BROKEN) {
  Deno.test(`the error names what a mirror sends instead of a model: ${way}`, async () => {
    await using upstream = await hub();
    await using mirror = startHubMirror(upstream, way);
    using source = open(mirror.url);
    const error = await assertRejects(() => readAll(source), AimError);
    assertEquals(error.kind, kind, error.line);
    assert(error.line.includes(words), error.line);
  });
}

Deno.test("a rate limit without Retry-After gives the time to wait", async () => {
  await using upstream = await hub();
  await using mirror = startHubMirror(upstream, "limited-once");
  using source = open(mirror.url);
  const error = await assertRejects(() => readAll(source), TransientError);
  assertEquals(error.retryAfter, 1000);
  assertEquals((await readAll(source)).files, 5);
});

const FILE = { type: "file", path: "a.json", size: 2, oid: "0".repeat(40) };
const LFS = { oid: "0".repeat(64), size: 2, pointerSize: 1 };
const MALFORMED: [what: string, entry: unknown][] = [
  ["no path", { ...FILE, path: undefined }],
  ["a number as path", { ...FILE, path: 5 }],
  ["a string", "a.json"],
  ["null", null],
  ["size -5", { ...FILE, size: -5 }],
  ["size as text", { ...FILE, size: "abc" }],
  ["a fraction", { ...FILE, size: 1.5 }],
  ["no size", { ...FILE, size: null }],
  ["no id", { ...FILE, oid: undefined }],
  ["a number as id", { ...FILE, oid: 5 }],
  ["lfs without id", { ...FILE, lfs: { ...LFS, oid: undefined } }],
  ["lfs as text", { ...FILE, lfs: "yes" }],
  ["lfs with a list as size", { ...FILE, lfs: { ...LFS, size: [] } }],
];

Deno.test("a malformed entry is a network error that shows it", async (t) => {
  for (const [what, entry] of MALFORMED) {
    await t.step(what, async () => {
      await using server = Deno.serve(
        { port: 0, hostname: "127.0.0.1", onListen() {} },
        (request) => Response.json(request.url.includes("/tree/") ? [FILE, entry] : { sha: "a".repeat(40) }),
      );
      using source = open(`http://127.0.0.1:${server.addr.port}`);
      const error = await assertRejects(() => source.manifest(), AimError);
      assertEquals(error.kind, "network", error.line);
      const shown = JSON.stringify(entry).slice(0, 100);
      assert(error.line.includes(shown), error.line);
    });
  }
});

Deno.test("files that a tree lists by name only, without a type, are looked up one by one; folders are not", async () => {
  const names = [{ path: "a.json" }, { path: "b/c.txt" }, { type: "directory", path: "b" }];
  const headers = { "content-length": "5", etag: '"x"' };
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ method, url }) => {
    if (method === "HEAD") return new Response(null, { headers });
    return Response.json(url.includes("/tree/") ? names : { sha: "a".repeat(40) });
  });
  using source = open(`http://127.0.0.1:${server.addr.port}`);
  const { files } = await source.manifest();
  assertEquals(files.map(({ path, size }) => [`${path}`, size]), [["a.json", 5], ["b/c.txt", 5]]);
});

Deno.test("a duplicate name in a model's siblings is refused, and so are more than 100,000 names", async () => {
  const many = Array.from({ length: 100_001 }, (_, at) => ({ rfilename: `${at}` }));
  const file = { rfilename: "a", blobId: "1".repeat(40), size: 1 };
  for (const [siblings, kind] of [[[file, { ...file, size: 2 }], "integrity"], [many, "network"]] as const) {
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request) =>
        request.method === "HEAD" || request.url.includes("/tree/")
          ? new Response(null, { status: 404 })
          : Response.json({ sha: "a".repeat(40), siblings }),
    );
    using source = open(`http://127.0.0.1:${server.addr.port}`);
    assertEquals((await assertRejects(() => source.manifest(), AimError)).kind, kind);
  }
});

Deno.test("a token set by the hub's library is sent to its server, but not to another origin on a redirect", async () => {
  const seen: [port: string, authorization: string | null][] = [];
  const note = (request: Request) =>
    void seen.push([new URL(request.url).pathname, request.headers.get("authorization")]);
  await using other = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    note(request);
    return Response.json({});
  });
  await using store = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    note(request);
    return new URL(request.url).pathname === "/a"
      ? Response.redirect(new URL("/b", request.url), 302)
      : Response.redirect(`http://127.0.0.1:${other.addr.port}/c`, 302);
  });
  const server = new HubRepository("org/model", optionsFor("http://127.0.0.1:9", "hf_hub"));
  const send = server.fetch(SIGNAL);
  const answer = await send(`http://127.0.0.1:${store.addr.port}/a`, {
    headers: { Authorization: "Bearer xet" },
  });
  assertEquals(answer.status, 200);
  assertEquals(seen, [["/a", "Bearer xet"], ["/b", "Bearer xet"], ["/c", null]]);
  server.close();
});

Deno.test("redirects to the public hub go to the mirror, except the mirror's redirect of the same path", () => {
  const mirror = "https://mirror.corp/hf";
  const to = (location: string) =>
    redirectOf(
      { status: 307, headers: new Headers({ location }) },
      new URL(`${mirror}/org/model/resolve/main/a.json`),
      mirror,
    )?.href;
  const hub = "https://huggingface.co";
  assertEquals(to(`${hub}/api/resolve-cache/models/a.json`), `${mirror}/api/resolve-cache/models/a.json`);
  assertEquals(to(`${hub}/org/model/resolve/main/a.json`), `${hub}/org/model/resolve/main/a.json`);
  assertEquals(to("/api/resolve-cache/models/a.json"), `${mirror}/api/resolve-cache/models/a.json`);
  assertEquals(to("https://cdn.corp/a.json"), "https://cdn.corp/a.json");
});

Deno.test("if a mirror redirects to a server that is unreachable or refuses, the error names both", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dead = (listener.addr as Deno.NetAddr).port;
  listener.close();
  await using refusing = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response(null, { status: 418 }),
  );
  for (const port of [dead, refusing.addr.port]) {
    const target = `127.0.0.1:${port}`;
    await using mirror = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      () => Response.redirect(`http://${target}/x`, 307),
    );
    using source = open(`http://127.0.0.1:${mirror.addr.port}`);
    const error = await assertRejects(() => source.manifest(), AimError);
    assertEquals(error.kind, "network");
    assert(error.line.includes(`127.0.0.1:${mirror.addr.port} redirects to ${target}`), error.line);
  }
});

Deno.test("an error response from another server than the hub counts as an expired URL, even if its body never ends", async () => {
  const question = { endpoint: "http://cdn", id: "a/b", revision: "main", token: false, owned: false };
  for (
    const [status, kind] of [[403, TransientError], [503, TransientError], [416, SourceChangedError]] as const
  ) {
    const answer = new Response(new ReadableStream(), { status });
    const meaning = hubError(answer, { ...question, path: "model.bin" });
    assert(await abortable(meaning, AbortSignal.timeout(5_000)) instanceof kind, `${status}`);
  }
});
