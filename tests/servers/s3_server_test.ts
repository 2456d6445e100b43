import {
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { makeModel } from "../fixtures/model/make_model.ts";
import { randomBytes } from "./content.ts";
import { crc32, crc32c, crc64nvme } from "./crc.ts";
import { type S3Options, type S3Server, startS3 } from "./s3_server.ts";

function s3Test(
  name: string,
  options: Partial<S3Options>,
  body: (s3: S3Server, client: S3Client) => Promise<void>,
): void {
  Deno.test(name, async () => {
    await using s3 = await startS3({ buckets: { models: {} }, ...options });
    const client = clientOf(s3);
    try {
      await body(s3, client);
    } finally {
      client.destroy();
    }
  });
}

function clientOf(s3: S3Server, secretKey = s3.secretKey, accessKey = s3.accessKey): S3Client {
  return new S3Client({
    endpoint: s3.url,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("checksums match the CRC catalogue's check values", () => {
  // https://reveng.sourceforge.io/crc-catalogue: the CRCs of "123456789".
  const check = new TextEncoder().encode("123456789");
  assertEquals(hex(crc32(check)), "cbf43926");
  assertEquals(hex(crc32c(check)), "e3069283");
  assertEquals(hex(crc64nvme(check)), "ae8b14860a799888");
});

const KEYS = ["a b+c/ü.txt", "m-2/x", "m/a", "m/b/c", "m/b/d", "m/z&<>.txt", "z%41"];

s3Test("the SDK lists every page of keys, in order and with exact names", {
  buckets: { models: Object.fromEntries(KEYS.map((key) => [key, key])) },
  pageSize: 2,
}, async (_s3, client) => {
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket: "models", ContinuationToken: token }));
    seen.push(...(page.Contents ?? []).map((item) => item.Key ?? ""));
    token = page.NextContinuationToken;
  } while (token !== undefined);
  assertEquals(seen, KEYS);
  const page = await client.send(
    new ListObjectsV2Command({ Bucket: "models", Prefix: "m/", Delimiter: "/" }),
  );
  assertEquals(page.Contents?.map((item) => item.Key), ["m/a"]);
  assertEquals(page.CommonPrefixes?.map((item) => item.Prefix), ["m/b/"]);
});

s3Test("the SDK reads ranges and parts with If-Match", {
  buckets: { models: { k: { content: randomBytes(25_000), partSize: 10_000 } } },
}, async (s3, client) => {
  const read = async (more: object) => {
    const reply = await client.send(new GetObjectCommand({ Bucket: "models", Key: "k", ...more }));
    return { bytes: await reply.Body?.transformToByteArray(), reply };
  };
  const etag = s3.etag("models", "k");
  assert(etag.endsWith("-3"), etag);
  const ranged = await read({ Range: "bytes=5-14", IfMatch: `"${etag}"` });
  assertEquals(new Uint8Array(ranged.bytes ?? []), randomBytes(25_000).slice(5, 15));
  assertEquals(ranged.reply.ContentRange, "bytes 5-14/25000");
  const part = await read({ PartNumber: 3 });
  assertEquals(new Uint8Array(part.bytes ?? []), randomBytes(25_000).slice(20_000));
  assertEquals([part.reply.PartsCount, part.reply.$metadata.httpStatusCode], [3, 206]);
  await s3.put("models", "k", "other");
  const changed = await assertRejects(() => read({ Range: "bytes=0-1", IfMatch: `"${etag}"` }));
  assertEquals(changed instanceof Error && changed.name, "PreconditionFailed");
});

s3Test("the SDK gets back the bytes and the checksum that it stored", {}, async (s3, client) => {
  const body = randomBytes(100_000, 4);
  await client.send(
    new PutObjectCommand({ Bucket: "models", Key: "k", Body: body, ChecksumAlgorithm: "CRC64NVME" }),
  );
  assertEquals(await s3.get("models", "k"), body);
  const head = await client.send(
    new HeadObjectCommand({ Bucket: "models", Key: "k", ChecksumMode: "ENABLED" }),
  );
  assertEquals(head.ChecksumCRC64NVME, btoa(String.fromCharCode(...crc64nvme(body))));
  assertEquals(head.ChecksumType, "FULL_OBJECT");
  const attributes = await client.send(
    new GetObjectAttributesCommand({
      Bucket: "models",
      Key: "k",
      ObjectAttributes: ["ETag", "Checksum", "ObjectParts", "ObjectSize"],
    }),
  );
  assertEquals(attributes.Checksum?.ChecksumCRC64NVME, head.ChecksumCRC64NVME);
  assertEquals([attributes.ObjectSize, attributes.ETag], [100_000, s3.etag("models", "k")]);
});

s3Test("a missing key or bucket, a wrong signature, key or clock have S3's error codes", {
  buckets: { models: { k: "x" }, closed: { k: "x" } },
  deniedBuckets: ["closed"],
}, async (s3, client) => {
  const nameOf = async (with_: S3Client, bucket: string, key: string) => {
    const error = await assertRejects(() => with_.send(new GetObjectCommand({ Bucket: bucket, Key: key })));
    if (with_ !== client) with_.destroy();
    return error instanceof Error ? error.name : "";
  };
  assertEquals(await nameOf(client, "models", "none"), "NoSuchKey");
  assertEquals(await nameOf(client, "none", "k"), "NoSuchBucket");
  assertEquals(await nameOf(client, "closed", "k"), "AccessDenied");
  assertEquals(await nameOf(clientOf(s3, "wrong"), "models", "k"), "SignatureDoesNotMatch");
  assertEquals(await nameOf(clientOf(s3, "wrong", "unknown"), "models", "k"), "InvalidAccessKeyId");
  const unsigned = await fetch(`${s3.url}/models/k`);
  assert((await unsigned.text()).includes("<Code>AccessDenied</Code>"));
  s3.clockSkew = 20 * 60_000;
  assertEquals(await nameOf(clientOf(s3), "models", "k"), "RequestTimeTooSkewed");
});

s3Test("faults have S3's error codes", {
  buckets: { models: { k: randomBytes(50_000) } },
}, async (s3, client) => {
  const get = async () =>
    await (await client.send(new GetObjectCommand({ Bucket: "models", Key: "k" }))).Body
      ?.transformToByteArray();
  s3.faults.push({ kind: "status", status: 503, times: 1, retryAfter: 1 });
  const slow = await assertRejects(get);
  assertEquals(slow instanceof Error && slow.name, "SlowDown");
  s3.faults.push({ kind: "truncate", bytes: 1, times: 1 });
  await assertRejects(get);
  assertEquals(new Uint8Array(await get() ?? []), randomBytes(50_000));
});

/** Whether a command-line client is installed. */
async function installed(command: string): Promise<boolean> {
  try {
    await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch {
    return false;
  }
}

async function runClient(command: string, args: string[], env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    env,
    clearEnv: true,
    stdout: "piped",
    stderr: "piped",
  })
    .output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const CLIENTS: [string, (s3: S3Server, from: string, to: string) => string[]][] = [
  ["aws", (_s3, from, to) => ["s3", "cp", "--recursive", "--quiet", from, to]],
  ["rclone", (s3, from, to) => {
    const remote = `:s3,provider=Other,endpoint='${s3.url}',access_key_id=${s3.accessKey},` +
      `secret_access_key=${s3.secretKey},force_path_style=true:`;
    return ["copy", "--s3-no-check-bucket", ...[from, to].map((place) => place.replace("s3://", remote))];
  }],
];

for (const [command, copy] of CLIENTS) {
  const isThere = await installed(command);
  const name = `${command} uploads to a bucket, also in parts, and downloads the same bytes`;
  Deno.test(isThere ? name : `${name} (skipped: not installed)`, { ignore: !isThere }, async () => {
    await using s3 = await startS3({ buckets: { models: {} }, pageSize: 3 });
    const dir = await Deno.makeTempDir();
    try {
      const files: Record<string, Uint8Array> = {
        ...makeModel(),
        "deep/er/ü +&.bin": randomBytes(9 << 20, 2),
      };
      await Deno.mkdir(`${dir}/in/deep/er`, { recursive: true });
      for (const [path, bytes] of Object.entries(files)) await Deno.writeFile(`${dir}/in/${path}`, bytes);
      const env = { ...s3.env, HOME: dir, PATH: Deno.env.get("PATH") ?? "" };
      await runClient(command, copy(s3, `${dir}/in`, "s3://models/org/tiny"), env);
      assertEquals(s3.keys("models").sort(), Object.keys(files).map((path) => `org/tiny/${path}`).sort());
      await runClient(command, copy(s3, "s3://models/org/tiny", `${dir}/out`), env);
      for (const [path, bytes] of Object.entries(files)) {
        assert(
          hex(await digest(await Deno.readFile(`${dir}/out/${path}`))) === hex(await digest(bytes)),
          path,
        );
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

async function digest(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes)));
}
