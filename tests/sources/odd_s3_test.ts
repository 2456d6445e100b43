import { assert, assertEquals, assertRejects } from "@std/assert";
import { AimError } from "../../src/errors/aim_error.ts";
import type { ByteRange } from "../../src/sources/manifest.ts";
import { parseModelRef } from "../../src/sources/model_ref.ts";
import { openSource } from "../../src/sources/open_source.ts";
import type { Source } from "../../src/sources/source.ts";
import { openBucket } from "../../src/sources/s3/bucket_access.ts";
import { s3Settings } from "../../src/sources/s3/s3_settings.ts";
import { Transport } from "../../src/sources/transport/transport.ts";
import { makeCertificates, NEEDS_OPENSSL, OPENSSL_MISSING } from "../servers/certificates.ts";
import { randomBytes } from "../servers/content.ts";
import { ODD_CASES, ODD_OBJECTS } from "../servers/odd_cases.ts";
import { type Oddities, startOddS3 } from "../servers/odd_s3.ts";
import { startS3 } from "../servers/s3_server.ts";
import { streamOf } from "./stream_of.ts";

const SIGNAL = new AbortController().signal;
const FILES = Object.entries(ODD_OBJECTS).map(([key, bytes]) => [key.slice(2), bytes] as const);

for (const [what, { odd, env = {}, bucket = "models", asked }] of Object.entries(ODD_CASES)) {
  Deno.test(`a model is read completely from S3: ${what}`, async () => {
    await using s3 = startOddS3(bucket, ODD_OBJECTS, odd);
    // With the bucket in the host name, the server also acts as the proxy for that name.
    const at: Record<string, string> = odd.virtualHost
      ? { AWS_ENDPOINT_URL: "http://s3.test", HTTP_PROXY: s3.url }
      : { AWS_ENDPOINT_URL: s3.url };
    await assertWhole(`s3://${bucket}/m`, { AIM_S3_ANONYMOUS: "true", ...at, ...env });
    assert(asked === undefined || s3.requests.some(({ url, headers }) => asked(url, headers)));
  });
}

Deno.test("redirects to another node of the cluster are followed with a new signature, for lists and objects", async () => {
  await using node = await startS3({
    buckets: { models: Object.fromEntries(Object.entries(ODD_OBJECTS)) },
  });
  await using s3 = startOddS3("models", {}, { redirect: node.url });
  await assertWhole("s3://models/m", { ...node.env, AWS_ENDPOINT_URL: s3.url });
  assert(node.requests.length > 0 && node.requests.every((request) => request.status < 400));
});

Deno.test("a redirect loop ends with an error", async () => {
  await using one = startOddS3("models", {}, { redirect: "http://127.0.0.1:1" });
  const error = await failure("s3://models/m", { AWS_ENDPOINT_URL: one.url, AIM_S3_ANONYMOUS: "true" });
  assertEquals(error.kind, "network");
  assert(one.requests.length <= 12);
});

Deno.test("empty parts of keys are removed from paths, and from a prefix if no keys match it", async () => {
  const bytes = new TextEncoder().encode("x");
  await using s3 = startOddS3(
    "models",
    { "m//config.json": bytes, "m/a///b.txt": bytes, "/n/c.txt": bytes },
    {},
  );
  const env = { AWS_ENDPOINT_URL: s3.url, AIM_S3_ANONYMOUS: "true" };
  const paths = async (uri: string) => {
    const source = await open(uri, env);
    try {
      return (await source.manifest()).files.map((file) => file.path as string);
    } finally {
      source[Symbol.dispose]();
    }
  };
  assertEquals(await paths("s3://models/m"), ["a/b.txt", "config.json"]);
  assertEquals(await paths("s3://models//n"), ["c.txt"]);
  // KServe accepts an extra slash.
  assertEquals(await paths("s3://models//m"), ["a/b.txt", "config.json"]);
});

Deno.test("no key of a paged list is lost or repeated if the server does not encode its markers", async () => {
  const bytes = new TextEncoder().encode("x");
  // Decoded, the last key of the first page would sort after the second page, or before itself.
  for (const odd of ["a%7Ab", "a+b"]) {
    const names = ["0.txt", odd, "a1.txt", "b.txt"];
    const objects = Object.fromEntries(names.map((name) => [`m/${name}`, bytes]));
    await using s3 = startOddS3("models", objects, { plainMarkers: true });
    const source = await open("s3://models/m", { AWS_ENDPOINT_URL: s3.url, AIM_S3_ANONYMOUS: "true" });
    assertEquals((await source.manifest()).files.map(({ path }) => path as string), names);
    source[Symbol.dispose]();
  }
});

Deno.test("an access point's ARN has its own host name, signed for its region", async () => {
  const transport = new Transport({ env: {}, connections: 1 });
  const arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/models";
  const ref = parseModelRef(`s3://${arn}/org/m`);
  assert(ref.kind === "s3");
  assertEquals([ref.bucket, ref.prefix], [arn, "org/m"]);
  const settings = s3Settings({
    AWS_ACCESS_KEY_ID: "AKID",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_REGION: "us-east-1",
  });
  const access = await openBucket(ref.bucket, settings, transport);
  assertEquals(access.base.href, "https://models-123456789012.s3-accesspoint.us-west-2.amazonaws.com/");
  const headers = { "x-amz-request-payer": "requester", range: "bytes=0-1" };
  const signed = await access.sign({ method: "GET", key: "org/m/config.json", headers }, new Date());
  assertEquals(signed.url.pathname, "/org/m/config.json");
  const { authorization = "", ...sent } = signed.headers;
  assert(authorization.includes("/us-west-2/s3/aws4_request"), authorization);
  assert(authorization.includes("x-amz-request-payer") && !authorization.includes("range"), authorization);
  assertEquals(sent.range, "bytes=0-1");
  transport.close();
});

Deno.test("an endpoint from the shared configuration is addressed path-style, as one from a variable", async () => {
  const directory = await Deno.makeTempDir();
  const before = Deno.env.get("AWS_CONFIG_FILE");
  const transport = new Transport({ env: {}, connections: 1 });
  try {
    Deno.env.set("AWS_CONFIG_FILE", `${directory}/config`);
    await Deno.writeTextFile(`${directory}/config`, "[default]\nendpoint_url = http://minio.test:9000\n");
    const keys = { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "secret" };
    const baseOf = async (env: Record<string, string>) =>
      (await openBucket("models", s3Settings({ ...keys, ...env }), transport)).base.href;
    assertEquals(await baseOf({}), "http://minio.test:9000/models/");
    assertEquals(await baseOf({ AWS_ENDPOINT_URL: "http://other.test" }), "http://other.test/models/");
    const virtual = { AIM_S3_ADDRESSING_STYLE: "virtual" };
    assertEquals(await baseOf(virtual), "http://models.minio.test:9000/");
  } finally {
    if (before === undefined) Deno.env.delete("AWS_CONFIG_FILE");
    else Deno.env.set("AWS_CONFIG_FILE", before);
    transport.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("an object of 1,200 parts is verified with the part size that the server reports", async () => {
  const content = randomBytes(1200 * 1000 - 7, 4);
  await using s3 = await startS3({ buckets: { models: { "m/w.safetensors": { content, partSize: 1000 } } } });
  const source = await open("s3://models/m", s3.env);
  const [file] = (await source.manifest()).files;
  assert(file?.digest?.algorithm === "multipart-md5");
  assertEquals([file.digest.partSizes.length, file.digest.otherPartSizes], [1200, undefined]);
  source[Symbol.dispose]();
});

Deno.test("a response that is not S3's is a network error that describes it", async () => {
  const entry = (fields: string) => `<ListBucketResult><Contents>${fields}</Contents></ListBucketResult>`;
  const answers: [what: string, odd: Oddities, words: string][] = [
    ["a login page", { listing: "<!doctype html><html><body>Sign in</body></html>" }, "a web page"],
    ["JSON", { listing: '{"error":"not here"}' }, "instead of a list"],
    [
      "http to an https port",
      { listing: "Client sent an HTTP request to an HTTPS server.", status: 400 },
      "expects https",
    ],
    ["no key", { listing: entry("<Size>1</Size>") }, "lists"],
    ["a negative size", { listing: entry("<Key>m/x</Key><Size>-5</Size>") }, "m/x"],
    ["text as a size", { listing: entry("<Key>m/x</Key><Size>abc</Size>") }, "not valid S3"],
    ["a fraction as a size", { listing: entry("<Key>m/x</Key><Size>1.5</Size>") }, "m/x"],
    ["a key outside the prefix", { listing: entry("<Key>other/x</Key><Size>1</Size>") }, "other/x"],
    ["the same page again", {
      listing:
        `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>`,
    }, "where it continues"],
  ];
  for (const [what, odd, words] of answers) {
    await using s3 = startOddS3("models", ODD_OBJECTS, odd);
    const error = await failure("s3://models/m", { AWS_ENDPOINT_URL: s3.url, AIM_S3_ANONYMOUS: "true" });
    assertEquals(error.kind, "network", what);
    assert(error.line.includes(words), `${what}: ${error.line}`);
    assert(s3.requests.length <= 12, what);
  }
});

Deno.test("an endless list is an error, with entries and without", async () => {
  const page = (contents: string) =>
    `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t#</NextContinuationToken>${contents}</ListBucketResult>`;
  for (const contents of ["", "<Contents><Key>m/x#</Key><Size>1</Size></Contents>"]) {
    await using s3 = startOddS3("models", ODD_OBJECTS, { listing: page(contents) });
    const error = await failure("s3://models/m", { AWS_ENDPOINT_URL: s3.url, AIM_S3_ANONYMOUS: "true" });
    assertEquals(error.kind, "network");
    assert(s3.requests.length <= 2000);
  }
});

Deno.test("the error points out a bucket in the endpoint's path", async () => {
  await using s3 = startOddS3("models", ODD_OBJECTS, {});
  const error = await failure("s3://models/m", {
    AWS_ENDPOINT_URL: `${s3.url}/models`,
    AIM_S3_AUTH_MODE: "anonymous",
  });
  assertEquals(error.kind, "not-found");
  assert(error.line.includes("/models"), error.line);
});

Deno.test(
  `a server with an unverifiable certificate is read only if verification is off or its authority is trusted${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async () => {
    const certificates = await makeCertificates();
    assert(!("skip" in certificates));
    await using _ = certificates;
    await using s3 = await startS3({
      buckets: { models: Object.fromEntries(Object.entries(ODD_OBJECTS)) },
      tls: certificates.tls,
    });
    assertEquals((await failure("s3://models/m", s3.env)).kind, "network");
    await assertWhole("s3://models/m", { ...s3.env, S3_VERIFY_SSL: "0" });
    await assertWhole("s3://models/m", { ...s3.env, AIM_S3_INSECURE_SKIP_VERIFY: "true" });
    // Trusted through the operator's variable, and through KServe's mounted ConfigMap.
    await assertWhole("s3://models/m", { ...s3.env, AIM_S3_CA_BUNDLE: certificates.caPath });
    const mount = await Deno.makeTempDir();
    try {
      await Deno.copyFile(certificates.caPath, `${mount}/cabundle.crt`);
      for (const name of ["AWS_CA_BUNDLE_CONFIGMAP", "CA_BUNDLE_CONFIGMAP_NAME"]) {
        await assertWhole("s3://models/m", { ...s3.env, [name]: "ca", CA_BUNDLE_VOLUME_MOUNT_POINT: mount });
      }
    } finally {
      await Deno.remove(mount, { recursive: true });
    }
    // The opposite: https to a port that speaks http.
    await using plain = startOddS3("models", ODD_OBJECTS, {});
    const error = await failure("s3://models/m", {
      ...s3.env,
      AWS_ENDPOINT_URL: plain.url.replace("http:", "https:"),
    });
    assert(error.line.includes("http, not https"), error.line);
  },
);

async function open(uri: string, env: Readonly<Record<string, string>>): Promise<Source> {
  return await openSource(parseModelRef(uri), {
    hfEndpoint: "http://127.0.0.1:1",
    hfToken: () => Promise.resolve(null),
    protocols: ["HTTP"],
    offline: false,
    env,
    connections: 4,
    sleep: () => Promise.resolve(),
  });
}

async function assertWhole(uri: string, env: Readonly<Record<string, string>>): Promise<void> {
  const source = await open(uri, env);
  try {
    const { files } = await source.manifest();
    assertEquals(files.map(({ path }) => path as string), FILES.map(([path]) => path).toSorted());
    for (const file of files) {
      const bytes = ODD_OBJECTS[`m/${file.path}` as keyof typeof ODD_OBJECTS];
      const ranges: (ByteRange | null)[] = [null, { start: 0, end: 1 }];
      for (const range of ranges) {
        const got = await source.read(file, range, SIGNAL);
        const expected = bytes.slice(got.range.start, got.range.end);
        assertEquals(await new Response(streamOf(got)).bytes(), expected, file.path);
      }
    }
  } finally {
    source[Symbol.dispose]();
  }
}

async function failure(uri: string, env: Readonly<Record<string, string>>): Promise<AimError> {
  const source = await open(uri, env);
  try {
    return await assertRejects(() => source.manifest(), AimError);
  } finally {
    source[Symbol.dispose]();
  }
}
