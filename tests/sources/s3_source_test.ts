import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { streamOf } from "./stream_of.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import type { ErrorKind } from "../../src/errors/exit_codes.ts";
import type { ManifestFile } from "../../src/sources/manifest.ts";
import { pathFilter } from "../../src/sources/filter_paths.ts";
import { openSource } from "../../src/sources/open_source.ts";
import { parseModelRef } from "../../src/sources/model_ref.ts";
import { type Source, SourceChangedError } from "../../src/sources/source.ts";
import type { SourceOptions } from "../../src/sources/source_options.ts";
import { TransientError } from "../../src/sources/source.ts";
import { type S3Given, type S3Server, startS3 } from "../servers/s3_server.ts";

const SIGNAL = new AbortController().signal;
const BYTES = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 13 + (i >> 9)) & 255);

function options(env: Readonly<Record<string, string>>): SourceOptions {
  return {
    hfEndpoint: "http://127.0.0.1:1",
    hfToken: () => Promise.reject(new Error("S3 needs no hub token")),
    protocols: ["HTTP"],
    offline: false,
    env,
    connections: 4,
    sleep: () => Promise.resolve(),
  };
}

async function open(model: string, env: Readonly<Record<string, string>>): Promise<Source> {
  return await openSource(parseModelRef(model), options(env));
}

async function fileOf(source: Source, path: string): Promise<ManifestFile> {
  const file = (await source.manifest()).files.find((f) => f.path === path);
  assert(file !== undefined, path);
  return file;
}

async function listed(s3: S3Server, model: string): Promise<string[]> {
  using source = await open(model, s3.env);
  return (await source.manifest()).files.map((f) => f.path);
}

function serve(objects: Record<string, S3Given>, more: Partial<Parameters<typeof startS3>[0]> = {}) {
  return startS3({ buckets: { models: objects }, ...more });
}

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

Deno.test("a prefix is a directory and not the start of other names", async () => {
  await using s3 = await serve({ "llama/config.json": "{}", "llama-2/config.json": "{}", "llama.txt": "x" });
  assertEquals(await listed(s3, "s3://models/llama"), ["config.json"]);
  assertEquals(await listed(s3, "s3://models/llama/"), ["config.json"]);
  assertEquals(await listed(s3, "s3://models"), ["llama-2/config.json", "llama.txt", "llama/config.json"]);
});

Deno.test("every page of a list is read, and small files need no request each", async () => {
  const objects = Object.fromEntries(Array.from({ length: 57 }, (_, i) => [`m/d/f${i}.txt`, `content ${i}`]));
  await using s3 = await serve(objects, { pageSize: 10 });
  using source = await open("s3://models/m", s3.env);
  const { files } = await source.manifest();
  assertEquals(files.length, 57);
  assertEquals(files[0]?.digest, { algorithm: "md5", hex: md5(new TextEncoder().encode("content 0")) });
  assertEquals(s3.requests.filter((r) => r.role === "list").length, 6);
  assertEquals(s3.requests.filter((r) => r.role === "object").length, 1);
});

Deno.test("files are read correctly, complete and in ranges, with any name", async () => {
  const names = ["config.json", "sp ace+plus%25#1?x&y=z.json", "é/日本 (1)!'*.bin", "a~b@c:d,e;f.txt"];
  const objects: Record<string, S3Given> = Object.fromEntries(names.map((name) => [`p/m/${name}`, BYTES]));
  await using s3 = await serve({ ...objects, "p/m/empty": "", "p/m/": "", "p/m/dir/": "" });
  using source = await open("s3://models/p/m", s3.env);
  const { files } = await source.manifest();
  assertEquals(files.map((f) => f.path as string).sort(), [...names, "empty"].sort());
  for (const file of files) {
    const { body } = await source.read(file, null, SIGNAL);
    assertEquals(
      await new Response(streamOf({ body })).bytes(),
      file.size === 0 ? new Uint8Array() : BYTES,
      file.path,
    );
    if (file.size === 0) continue;
    const part = await source.read(file, { start: 17, end: 70_001 }, SIGNAL);
    assertEquals(part.range, { start: 17, end: 70_001 });
    assertEquals(await new Response(streamOf(part)).bytes(), BYTES.slice(17, 70_001));
  }
  const reads = s3.requests.filter((r) => r.method === "GET" && r.role === "object");
  assertEquals(reads.filter((r) => !r.headers.has("if-match")), []);
});

Deno.test("each kind of upload is verified by what S3 stores for it", async () => {
  const content = BYTES;
  const sums = (algorithm: "SHA256" | "CRC64NVME" | "CRC32C") => ({ content, checksum: { algorithm } });
  await using s3 = await serve({
    "m/sha256": sums("SHA256"),
    "m/crc64": sums("CRC64NVME"),
    "m/parts": { content, partSize: 30_000 },
    "m/parts-crc": { content, partSize: 30_000, checksum: { algorithm: "CRC64NVME" } },
    "m/parts-composite": { content, partSize: 40_000, checksum: { algorithm: "SHA256", type: "COMPOSITE" } },
    "m/opaque": { content, etag: "not-a-digest" },
  });
  const digests: Record<string, ManifestFile["digest"]> = {};
  for (const path of ["sha256", "crc64", "parts", "parts-crc", "parts-composite", "opaque"]) {
    using source = await open(`s3://models/m/${path}`, s3.env);
    digests[path] = (await fileOf(source, path)).digest;
  }
  assertEquals(digests["sha256"], {
    algorithm: "sha256",
    hex: createHash("sha256").update(BYTES).digest("hex"),
  });
  assertEquals(digests["crc64"]?.algorithm, "crc64nvme");
  assertEquals(digests["crc64"]?.hex.length, 16);
  const parts = digests["parts"];
  assert(parts?.algorithm === "multipart-md5");
  assertEquals(parts.partSizes, [30_000, 30_000, 30_000, 10_000]);
  assertEquals(`${parts.hex}-4`, s3.etag("models", "m/parts"));
  assertEquals(digests["parts-crc"], digests["crc64"]);
  const composite = digests["parts-composite"];
  assert(composite?.algorithm === "multipart-md5");
  assertEquals(composite.partSizes, [40_000, 40_000, 20_000]);
  assertEquals(digests["opaque"], null);
});

Deno.test("an object replaced or removed after listing is reported as a changed source", async () => {
  await using s3 = await serve({ "m/a": BYTES, "m/b": BYTES });
  using source = await open("s3://models/m", s3.env);
  const [a, b] = (await source.manifest()).files;
  assert(a !== undefined && b !== undefined);
  await s3.put("models", "m/a", "another");
  s3.remove("models", "m/b");
  await assertRejects(() => source.read(a, { start: 0, end: 10 }, SIGNAL), SourceChangedError);
  await assertRejects(() => source.read(b, { start: 0, end: 10 }, SIGNAL), SourceChangedError);
});

Deno.test("keys that would leave the destination are refused by name, and can be excluded", async () => {
  for (const key of ["../evil", "a/../../evil", "back\\slash", "line\nbreak", "./x"]) {
    await using s3 = await serve({ "m/ok": "x", [`m/${key}`]: "x" });
    using source = await open("s3://models/m", s3.env);
    const error = await assertRejects(() => source.manifest(), AimError);
    assertEquals(error.kind, "integrity");
    assertStringIncludes(error.line, JSON.stringify(key));
    assertEquals((await source.manifest({ wanted: pathFilter(["ok"]) })).files.length, 1);
  }
});

Deno.test("a key that is both a file and a directory is refused by name", async () => {
  await using s3 = await serve({ "m/a": "x", "m/a/b": "x" });
  using source = await open("s3://models/m", s3.env);
  assertStringIncludes((await assertRejects(() => source.manifest(), AimError)).line, '"a" as a file and as');
});

Deno.test("a prefix that is itself an object is a model of one file", async () => {
  await using s3 = await serve({ "m/model.gguf": BYTES });
  using source = await open("s3://models/m/model.gguf", s3.env);
  const file = await fileOf(source, "model.gguf");
  assertEquals(file.size, BYTES.length);
  assertEquals(await new Response(streamOf(await source.read(file, null, SIGNAL))).bytes(), BYTES);
});

Deno.test("errors name the endpoint and what is wrong, but never a key", async (t) => {
  await using s3 = await startS3({
    buckets: { models: { "m/a": "x" }, denied: { "m/a": "x" } },
    deniedBuckets: ["denied"],
  });
  const wrongKey = { ...s3.env, AWS_ACCESS_KEY_ID: "AKIAUNKNOWN" };
  const wrongSecret = { ...s3.env, AWS_SECRET_ACCESS_KEY: "wrongsecretwrong" };
  const cases: [what: string, model: string, env: Record<string, string>, kind: ErrorKind, words: string][] =
    [
      ["no such bucket", "s3://nothere/m", s3.env, "not-found", 'has no bucket "nothere"'],
      ["empty prefix", "s3://models/none", s3.env, "not-found", "s3://models/none"],
      ["denied", "s3://denied/m", s3.env, "unauthorized", "denies access to s3://denied/m"],
      ["unknown key", "s3://models/m", wrongKey, "unauthorized", "does not know the access key"],
      ["wrong secret", "s3://models/m", wrongSecret, "unauthorized", "rejects the signature"],
    ];
  for (const [what, model, env, kind, words] of cases) {
    await t.step(what, async () => {
      using source = await open(model, env);
      const error = await assertRejects(() => source.manifest(), AimError);
      assertEquals(error.kind, kind, error.line);
      assertStringIncludes(error.line, words);
      for (const secret of [env.AWS_ACCESS_KEY_ID, env.AWS_SECRET_ACCESS_KEY]) {
        assert(secret !== undefined && !error.line.includes(secret), error.line);
      }
      if (kind !== "not-found" || what === "no such bucket") {
        assertStringIncludes(error.line, new URL(s3.url).host);
      }
    });
  }
});

Deno.test("a public bucket is read without credentials, and any other reports that there are none", async () => {
  await using s3 = await startS3({
    buckets: { open: { "m/a": BYTES }, closed: { "m/a": BYTES } },
    publicBuckets: ["open"],
  });
  const { AWS_ACCESS_KEY_ID: _key, AWS_SECRET_ACCESS_KEY: _secret, ...bare } = s3.env;
  const restore = withoutCredentials();
  try {
    using source = await open("s3://open/m", bare);
    const file = await fileOf(source, "a");
    assertEquals(await new Response(streamOf(await source.read(file, null, SIGNAL))).bytes(), BYTES);
    assertEquals(s3.requests.filter((r) => r.authorized), []);
    using closed = await open("s3://closed/m", bare);
    const error = await assertRejects(() => closed.manifest(), AimError);
    assertEquals(error.kind, "unauthorized");
    assertStringIncludes(error.line, "Unable to locate credentials");
  } finally {
    restore();
  }
});

Deno.test("a wrong local clock is corrected with the server's time", async () => {
  let skew = 3_600_000;
  const etag = `"${md5(BYTES)}"`;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const stamp = request.headers.get("x-amz-date") ?? "";
    const signed = Date.parse(stamp.replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5"));
    const headers = { date: new Date(Date.now() + skew).toUTCString() };
    if (!(Math.abs(signed - Date.now() - skew) < 900_000)) {
      return new Response("<Error><Code>RequestTimeTooSkewed</Code></Error>", { status: 403, headers });
    }
    if (request.method === "HEAD" || !request.url.includes("prefix=")) {
      return new Response(BYTES, { headers: { ...headers, etag } });
    }
    const content = `<Contents><Key>m/a</Key><Size>${BYTES.length}</Size><ETag>${etag}</ETag></Contents>`;
    return new Response(`<ListBucketResult>${content}</ListBucketResult>`, { headers });
  });
  using source = await open("s3://models/m", minimalEnv(server.addr.port));
  const file = await fileOf(source, "a");
  assertEquals(await new Response(streamOf(await source.read(file, null, SIGNAL))).bytes(), BYTES);
  skew = -3_600_000;
  assertEquals(await new Response(streamOf(await source.read(file, null, SIGNAL))).bytes(), BYTES);
  await server.shutdown();
});

Deno.test("the region that the server names in a header or the body is used", async () => {
  const answers: [what: string, response: () => Response][] = [
    ["a header", () => new Response(null, { status: 301, headers: { "x-amz-bucket-region": "eu-west-1" } })],
    ["the body", () =>
      new Response(
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message><Region>eu-west-1</Region></Error>",
        { status: 400 },
      )],
  ];
  for (const [what, refuse] of answers) {
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
      if (!request.headers.get("authorization")?.includes("/eu-west-1/s3/")) return refuse();
      if (!request.url.includes("prefix=")) return new Response(BYTES, { headers: { etag: '"e"' } });
      const content = `<Contents><Key>m/a</Key><Size>${BYTES.length}</Size><ETag>"e"</ETag></Contents>`;
      return new Response(`<ListBucketResult>${content}</ListBucketResult>`);
    });
    using source = await open("s3://models/m", minimalEnv(server.addr.port));
    const file = await fileOf(source, "a");
    assertEquals(await new Response(streamOf(await source.read(file, null, SIGNAL))).bytes(), BYTES, what);
    await server.shutdown();
  }
});

Deno.test("an ETag is not used as an MD5 once a request or the first read shows that objects are encrypted with KMS", async () => {
  const etag = `"${"0".repeat(32)}"`;
  const sha256 = createHash("sha256").update(BYTES).digest();
  for (const encrypted of [["small", "large"], ["small"]]) {
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
      const url = new URL(request.url);
      const name = url.pathname.split("/").at(-1) ?? "";
      const headers = new Headers({ etag });
      if (encrypted.includes(name)) headers.set("x-amz-server-side-encryption", "aws:kms");
      if (request.method === "HEAD") headers.set("x-amz-checksum-sha256", sha256.toString("base64"));
      if (!url.searchParams.has("prefix")) return new Response(BYTES, { headers });
      const contents = ["small", "large"].map((key, i) =>
        `<Contents><Key>m/${key}</Key><Size>${BYTES.length + i}</Size><ETag>${etag}</ETag></Contents>`
      );
      return new Response(`<ListBucketResult>${contents.join("")}</ListBucketResult>`);
    });
    using source = await open("s3://models/m", minimalEnv(server.addr.port));
    const expected = { algorithm: "sha256", hex: sha256.toString("hex") } as const;
    let small = await fileOf(source, "small");
    if (encrypted.length === 1) {
      assertEquals(small.digest?.algorithm, "md5");
      await assertRejects(() => source.read(small, null, SIGNAL), SourceChangedError);
      small = await fileOf(source, "small");
    }
    assertEquals(small.digest, expected);
    assertEquals(await new Response(streamOf(await source.read(small, null, SIGNAL))).bytes(), BYTES);
    await server.shutdown();
  }
});

Deno.test("lists are retried after transient errors, reads are not", async () => {
  await using s3 = await serve({ "m/a": BYTES });
  using source = await open("s3://models/m", s3.env);
  s3.faults.push({ kind: "status", status: 503, roles: ["list"], times: 3 });
  const file = await fileOf(source, "a");
  s3.faults.push({ kind: "status", status: 503, retryAfter: 2, times: 1 });
  const error = await assertRejects(() => source.read(file, null, SIGNAL), TransientError);
  assertEquals(error.retryAfter, 2000);
  s3.faults.push({ kind: "status", status: 503, roles: ["list"] });
  assertEquals((await assertRejects(() => source.manifest(), AimError)).kind, "network");
});

Deno.test("a response for another range is rejected, and a server that ignores ranges yields the complete file", async () => {
  await using s3 = await serve({ "m/a": BYTES });
  using source = await open("s3://models/m", s3.env);
  const file = await fileOf(source, "a");
  const range = { start: 100, end: 200 };
  for (const value of [null, "bytes 0-99/100000", { shift: -1 }]) {
    s3.faults.push({ kind: "content-range", value, times: 1 });
    await assertRejects(() => source.read(file, range, SIGNAL), TransientError);
  }
  s3.faults.push({ kind: "ignore-range", times: 1 });
  const whole = await source.read(file, range, SIGNAL);
  assertEquals(whole.range, { start: 0, end: BYTES.length });
  assertEquals(await new Response(streamOf(whole)).bytes(), BYTES);
});

Deno.test("an invalid endpoint is a usage error that names its variable", async () => {
  const error = await assertRejects(
    () => open("s3://models/m", { AWS_ENDPOINT_URL_S3: "minio:9000/x?y" }),
    AimError,
  );
  assertEquals(error.kind, "usage");
  assertStringIncludes(error.line, "AWS_ENDPOINT_URL_S3");
});

function minimalEnv(port: number): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_ACCESS_KEY_ID: "test-key",
    AWS_SECRET_ACCESS_KEY: "test-secret",
  };
}

/** Hides the process's environment and home from the SDK; returns a function that restores them. */
function withoutCredentials(): () => void {
  const hidden: Record<string, string> = {
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const before = Object.entries(Deno.env.toObject()).filter(([name]) => name.startsWith("AWS_"));
  for (const [name] of before) Deno.env.delete(name);
  for (const [name, value] of Object.entries(hidden)) Deno.env.set(name, value);
  return () => {
    for (const name of Object.keys(hidden)) Deno.env.delete(name);
    for (const [name, value] of before) Deno.env.set(name, value);
  };
}
