import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { assertEquals, assertRejects } from "@std/assert";
import { randomBytes } from "./content.ts";
import { startMisbehavingProxy } from "./misbehaving_proxy.ts";
import { startS3 } from "./s3_server.ts";

const BIG = randomBytes(300_000, 12);

Deno.test("signed requests and responses pass the proxy unchanged, and faults are applied on command", async () => {
  await using s3 = await startS3({ buckets: { models: {} } });
  await using proxy = startMisbehavingProxy(s3.url);
  const client = new S3Client({
    endpoint: proxy.url,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
  });
  const where = { Bucket: "models", Key: "org/m/w.bin" };
  const get = async (Range?: string) => {
    const { Body } = await client.send(
      new GetObjectCommand({ ...where, ...(Range === undefined ? {} : { Range }) }),
    );
    return new Uint8Array(await Body?.transformToByteArray() ?? []);
  };
  try {
    await client.send(new PutObjectCommand({ ...where, Body: BIG }));
    assertEquals((await client.send(new HeadObjectCommand(where))).ContentLength, BIG.length);
    assertEquals(await get(), BIG);
    assertEquals(await get("bytes=100-299"), BIG.slice(100, 300));

    proxy.faults.push({ kind: "flip", offset: 150, times: 1 });
    const flipped = BIG.slice(100, 300);
    flipped[50] = (flipped[50] ?? 0) ^ 1;
    assertEquals(await get("bytes=100-299"), flipped);
    proxy.faults.push({ kind: "status", status: 503, times: 1 });
    await assertRejects(() => get());
    proxy.faults.push({ kind: "truncate", bytes: 5, times: 1 });
    await assertRejects(() => get());
    assertEquals(await get(), BIG);
  } finally {
    client.destroy();
  }
});
