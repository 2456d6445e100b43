import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { resolveConfig } from "../../src/config/resolve_config.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { pathFilter } from "../../src/sources/filter_paths.ts";
import { SourceChangedError, TransientError } from "../../src/sources/source.ts";
import { sourceOptions } from "../../src/sources/source_options.ts";
import { fullChecksum, multipartCount, plainMd5 } from "../../src/sources/s3/object_digests.ts";
import { hubError } from "../../src/sources/hub/hub_error.ts";
import { ociError } from "../../src/sources/oci/oci_error.ts";
import { evenParts, likelyParts } from "../../src/sources/s3/part_sizes.ts";
import { s3Settings } from "../../src/sources/s3/s3_settings.ts";
import { s3Error } from "../../src/sources/s3/s3_error.ts";
import { digestMatches, digestSpecs, digestStream } from "../../src/transfer/hash/digests.ts";
import { networkFault } from "../../src/sources/transport/network_fault.ts";

const MIB = 2 ** 20;

function assertInstanceOf<T>(
  value: unknown,
  type: new (...args: never[]) => T,
  message = "",
): asserts value is T {
  assert(value instanceof type, `${message}: ${value}`);
}

Deno.test("globs match the complete path, as Python's fnmatch does", () => {
  const cases: [glob: string, path: string, matches: boolean][] = [
    ["*.json", "config.json", true],
    ["*.json", "a/b/config.json", true],
    ["*.json", "config.JSON", false],
    ["config.json", "a/config.json", false],
    ["a/", "a/b/c", true],
    ["a/", "a", false],
    ["model-0000?-of-*", "model-00001-of-00002.safetensors", true],
    ["[ab].txt", "b.txt", true],
    ["[!ab].txt", "b.txt", false],
    ["[!ab].txt", "c.txt", true],
    ["[a-c]x", "bx", true],
    ["[]a]", "]", true],
    ["[c-a]", "b", false],
    ["a[b", "a[b", true],
    ["a.b", "axb", false],
    ["?", "\u{1f600}", true],
    ["*", "a\nb", true],
    ["(a|b)+", "(a|b)+", true],
  ];
  for (const [glob, path, matches] of cases) {
    assertEquals(pathFilter([glob], [])(path), matches, `${glob} ${path}`);
  }
});

Deno.test("all files are selected by default, and exclude overrides include", () => {
  assert(pathFilter([], [])("x"));
  // Bookkeeping of git, aim and Python's client is not part of a model.
  const bookkeeping = [
    ".git/config",
    "a/.GIT/hooks/pre-commit",
    ".aim/manifest.json",
    ".cache/huggingface/x",
  ];
  assertEquals(bookkeeping.filter(pathFilter([], [])), []);
  assertEquals([".gitattributes", "a.git/x", ".cache/x"].filter(pathFilter([], [])).length, 3);
  const wanted = pathFilter(["*.safetensors", "*.json"], ["original/*"]);
  assertEquals(
    ["a.safetensors", "original/a.safetensors", "x.bin", "t.json"].filter(wanted),
    ["a.safetensors", "t.json"],
  );
});

Deno.test("protocols are a list in the order in which they are tried, in any letter case", () => {
  const protocols = (text: string) =>
    resolveConfig({ flags: {}, env: { AIM_DOWNLOADER_PROTOCOL: text } }).protocols;
  assertEquals(protocols("XET,HF_TRANSFER,HTTP"), ["XET", "HF_TRANSFER", "HTTP"]);
  assertEquals(protocols(" http , xet,http"), ["HTTP", "XET"]);
  assertEquals(protocols(""), ["HTTP"]);
  for (const text of [",", "FTP", "XET,FTP"]) {
    const error = assertThrows(() => protocols(text), AimError);
    assertEquals(error.kind, "usage");
    assertStringIncludes(error.line, `AIM_DOWNLOADER_PROTOCOL is ${JSON.stringify(text)}`);
    assertStringIncludes(error.line, "use a list of XET, HF_TRANSFER, HTTP");
  }
});

Deno.test("the hub token is HF_TOKEN, else the file HF_TOKEN_PATH, else HF_HOME/token", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/token`, "hf_fromhome\n");
    await Deno.writeTextFile(`${directory}/named`, "  hf_fromfile  \n");
    const token = (env: Record<string, string>) =>
      sourceOptions(resolveConfig({ flags: {}, env: { AIM_CACHE_PATH: directory, ...env } }), env).hfToken();
    assertEquals(await token({}), "hf_fromhome");
    assertEquals(await token({ HF_HOME: `${directory}/none` }), null);
    assertEquals(await token({ HUGGING_FACE_HUB_TOKEN: "hf_old" }), "hf_old");
    assertEquals(await token({ HUGGING_FACE_HUB_TOKEN: "hf_old", HF_TOKEN: "hf_direct" }), "hf_direct");
    await Deno.mkdir(`${directory}/.cache/huggingface`, { recursive: true });
    await Deno.writeTextFile(`${directory}/.cache/huggingface/token`, "hf_fromlogin");
    const other = { AIM_CACHE_PATH: `${directory}/other`, HOME: directory };
    assertEquals(await token(other), "hf_fromlogin");
    assertEquals(await token({ ...other, XDG_CACHE_HOME: `${directory}/x` }), null);
    assertEquals(await token({ ...other, HF_HOME: `${directory}/none` }), null);
    assertEquals(await token({ HF_TOKEN_PATH: `${directory}/named` }), "hf_fromfile");
    assertEquals(await token({ HF_TOKEN_PATH: `${directory}/named`, HF_TOKEN: "hf_direct" }), "hf_direct");
    for (const bad of [{ HF_TOKEN_PATH: `${directory}/missing` }, { HF_TOKEN: "hf_bad token" }]) {
      const error = await token(bad).then(() => null, (thrown) => thrown);
      assertInstanceOf(error, AimError);
      assertEquals(error.kind, "usage");
      assert(!error.line.includes("hf_bad"));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("equal parts add up to the size, and only the last one may be smaller", () => {
  for (const [size, part] of [[1, 8], [16, 8], [17, 8], [100_000_000, 8 * MIB]] as const) {
    const parts = evenParts(size, part);
    assertEquals(parts.reduce((sum, n) => sum + n, 0), size);
    assert(parts.slice(0, -1).every((n) => n === part) && (parts.at(-1) ?? 0) <= part);
  }
});

Deno.test("the part size that an uploader used is among the likely ones", () => {
  const sizes = [5 * MIB + 1, 12 * MIB, 20_000_000, 100 * MIB, 1_234_567_890, 4_976_698_672, 10 * 2 ** 30];
  for (const part of [5, 8, 15, 16, 50, 64, 100, 128].map((n) => n * MIB)) {
    for (const size of sizes.filter((n) => n > part)) {
      const truth = evenParts(size, part);
      const likely = likelyParts(size, truth.length);
      assert(likely.some((parts) => parts[0] === part), `${size} in parts of ${part / MIB} MiB`);
      for (const parts of likely) assertEquals(parts.length, truth.length);
    }
  }
  assertEquals(likelyParts(1000, 1), [[1000]]);
  // S3 refuses parts below 5 MiB.
  assertEquals(likelyParts(3000, 3), []);
  // Only one multiple of 1 MiB gives 91 parts.
  assertEquals(likelyParts(2000 * MIB, 91)[0]?.[0], 22 * MIB);
});

Deno.test("an object with an unknown part size matches one of the likely ones, and other bytes match none", () => {
  const bytes = new Uint8Array(12 * MIB).map((_, i) => i * 17);
  const likely = likelyParts(bytes.length, 2);
  assertEquals(likely.map((parts) => parts[0]), [8, 10, 6, 7].map((n) => n * MIB));
  for (const partSizes of likely) {
    const [first = 0] = partSizes;
    const md5s = [bytes.subarray(0, first), bytes.subarray(first)].map((part) =>
      createHash("md5").update(part).digest()
    );
    const hex = createHash("md5").update(Buffer.concat(md5s)).digest("hex");
    const proves = (content: Uint8Array<ArrayBuffer>, partSizes: readonly number[]) => {
      const digest = { algorithm: "multipart-md5", hex, partSizes, otherPartSizes: [] } as const;
      const stream = digestStream(digestSpecs(digest), content.length);
      stream.update(content);
      return digestMatches(digest, stream.digests());
    };
    assertEquals(likely.filter((guess) => proves(bytes, guess)), [partSizes]);
    const other = bytes.with(5, bytes[5] === 0 ? 1 : 0);
    assert(!likely.some((guess) => proves(other, guess)));
  }
});

Deno.test("an S3 checksum is used only if it covers the complete object", () => {
  const sha256 = new Uint8Array(32).fill(7).toBase64();
  const crc64 = new Uint8Array(8).fill(9).toBase64();
  const crc32 = new Uint8Array(4).fill(1).toBase64();
  const plain = "0123456789abcdef0123456789abcdef";
  const parts = `${plain}-3`;
  const of = (etag: string, checksums: Record<string, string>, type?: "COMPOSITE" | "FULL_OBJECT") => {
    const headers = new Headers(type === undefined ? {} : { "x-amz-checksum-type": type });
    for (const [name, value] of Object.entries(checksums)) headers.set(`x-amz-checksum-${name}`, value);
    return fullChecksum(headers, etag);
  };
  assertEquals(of(plain, {}), null);
  assertEquals(of(plain, { sha256 }), { algorithm: "sha256", hex: "07".repeat(32) });
  assertEquals(of(plain, { crc32, sha256 })?.algorithm, "sha256");
  assertEquals(of(parts, { sha256: `${sha256}-3` }), null);
  assertEquals(of(parts, { sha256 }, "COMPOSITE"), null);
  assertEquals(of(parts, { crc32 }), null);
  assertEquals(of(parts, { crc32 }, "FULL_OBJECT")?.hex, "01010101");
  assertEquals(of(parts, { crc64nvme: crc64 })?.hex, "09".repeat(8));
  assertEquals(of(plain, { sha256: crc64 }), null);
  assertEquals(of(plain, { sha256: "not base64!" }), null);
});

Deno.test("an ETag is an MD5, a multipart ETag, or neither", () => {
  const md5 = "0123456789ABCDEF0123456789abcdef";
  assertEquals(plainMd5(md5), { algorithm: "md5", hex: md5.toLowerCase() });
  assertEquals(plainMd5(`${md5}-2`), null);
  assertEquals(plainMd5("opaque"), null);
  assertEquals(multipartCount(`${md5}-12`), 12);
  for (const etag of [md5, `${md5}-0`, `${md5}-x`, "x-3"]) assertEquals(multipartCount(etag), null);
});

Deno.test("an S3 error becomes a transient error, a changed source, or an error with its own kind", () => {
  const question = {
    bucket: "b",
    uri: "s3://b/m",
    key: "",
    access: { base: new URL("https://s3.test/b/"), anonymous: false },
    settings: s3Settings({}),
  };
  const none = { region: undefined, expectsHttps: false };
  const of = (status: number, code: string | null, path: string | null = "f", headers = {}) =>
    s3Error({ ...none, status, code, headers: new Headers(headers) }, { ...question, path });
  for (
    const [status, code] of [[503, "SlowDown"], [500, "InternalError"], [400, "RequestTimeout"], [
      429,
      null,
    ]] as const
  ) {
    assertInstanceOf(of(status, code), TransientError);
  }
  assertEquals(of(503, "SlowDown").message, "status 503 from s3.test for f (SlowDown)");
  // A wait that is too long is an error, as with a hub.
  const tooLong: unknown = of(503, "SlowDown", "f", { "retry-after": "86400" });
  assertInstanceOf(tooLong, AimError);
  assertStringIncludes(tooLong.line, "asks to wait 1440 minutes for f");
  assertInstanceOf(of(403, "RequestTimeTooSkewed"), TransientError);
  for (
    const [status, code] of [[412, "PreconditionFailed"], [404, "NoSuchKey"], [416, "InvalidRange"]] as const
  ) {
    assertInstanceOf(of(status, code), SourceChangedError);
  }
  const kinds: [status: number, code: string | null, kind: string][] = [
    [403, "AccessDenied", "unauthorized"],
    [403, null, "unauthorized"],
    [403, "InvalidAccessKeyId", "unauthorized"],
    [403, "SignatureDoesNotMatch", "unauthorized"],
    [400, "ExpiredToken", "unauthorized"],
    [400, "AuthorizationHeaderMalformed", "unauthorized"],
    [403, "InvalidObjectState", "not-found"],
    [404, "NoSuchBucket", "not-found"],
    [404, null, "not-found"],
    [301, "PermanentRedirect", "network"],
    [501, "NotImplemented", "network"],
  ];
  for (const [status, code, kind] of kinds) {
    const error: unknown = of(status, code, null);
    assertInstanceOf(error, AimError, `${status} ${code}`);
    assertEquals(error.kind, kind, `${status} ${code}`);
  }
});

Deno.test("the body of an error response is read, so that its connection can be reused", async () => {
  const refusal = () => {
    const headers = { "x-error-message": "slow down", "content-length": "9" };
    return new Response("slow down", { status: 429, headers });
  };
  const [hub, registry] = [refusal(), refusal()];
  const question = {
    endpoint: "https://a.example",
    id: "a/b",
    revision: "main",
    path: "c",
    token: false,
    owned: true,
  };
  await hubError(hub, question);
  await ociError(registry, "oci://a.example/b", "a.example", "c");
  assertEquals([hub.bodyUsed, registry.bodyUsed], [true, true]);
});

Deno.test("the error of a failed connection names the host, but neither the path nor a proxy's password", () => {
  const url = new URL("https://cdn.test/file?Signature=abcdef");
  const env = { HTTPS_PROXY: "http://user:password@proxy.test:3128" };
  const texts = [
    "error sending request for url (https://cdn.test/file?Signature=abcdef): client error (Connect): dns error: x",
    "client error (Connect): tcp connect error: Connection refused (os error 111)",
    "client error (Connect): invalid peer certificate: UnknownIssuer",
    "client error (Connect): invalid peer certificate: Expired",
    "client error (Connect): unexpected eof while tunneling",
    "error reading a body from connection",
    "error sending request for url (https://cdn.test/file?Signature=abcdef): something new",
  ];
  for (const text of texts) {
    const fault = networkFault(new TypeError("fetch failed", { cause: new Error(text) }), url, env);
    for (const secret of ["abcdef", "password"]) assert(!fault.message.includes(secret), fault.message);
    assert(/cdn\.test|HTTPS_PROXY/.test(fault.message), fault.message);
    assertEquals(fault instanceof AimError, text.includes("certificate"), text);
  }
  const direct = networkFault(new Error("Connection refused"), url, { ...env, NO_PROXY: ".test" });
  assert(!direct.message.includes("proxy"), direct.message);
});

Deno.test("words and numbers in a URL are not mistaken for the cause", () => {
  const url = new URL("http://127.0.0.1:40712/o(407)/tunnel-proxy-auth/body.bin");
  const cases: [text: string, fault: RegExp, fatal: boolean][] = [
    ["connection closed before byte 44071 of 300407", /broke the connection/, false],
    [
      `error sending request for url (${url}): client error (Connect): Connection refused`,
      /refuses/,
      false,
    ],
    [`error sending request for url (${url}): something new`, /cannot be read: something new$/, false],
    [
      `error sending request for url (${url}): client error (Connect): proxy authentication required`,
      /requires a password/,
      true,
    ],
  ];
  for (const [text, expected, fatal] of cases) {
    const fault = networkFault(new TypeError("fetch failed", { cause: new Error(text) }), url, {});
    assert(expected.test(fault.message), fault.message);
    assertEquals(fault instanceof AimError, fatal, text);
  }
});
