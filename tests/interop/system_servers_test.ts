import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { assert, assertEquals } from "@std/assert";
import { startCeph } from "../servers/ceph.ts";
import { diskContent, randomBytes } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";
import { startNginx } from "../servers/nginx.ts";

const BIG = randomBytes(3_000_000, 11);

const directory = await Deno.makeTempDir();
const nginx = await startNginx(directory);
const ceph = await startCeph();
const reason = (started: object) => "skip" in started ? ` (skipped: ${started.skip})` : "";

Deno.test(`nginx serves the large files of a hub, including ranges${reason(nginx)}`, {
  ignore: "skip" in nginx,
}, async () => {
  assert(!("skip" in nginx));
  await using _ = nginx;
  try {
    await Deno.writeFile(`${directory}/w.safetensors`, BIG);
    await using hub = await startHub({
      repos: [{ id: "org/m", files: { "w.safetensors": await diskContent(`${directory}/w.safetensors`) } }],
      redirect: ({ path }) => `${nginx.url}/${path}`,
    });
    const url = `${hub.url}/org/m/resolve/main/w.safetensors`;
    assertEquals(new Uint8Array(await (await fetch(url)).arrayBuffer()), BIG);
    const ranged = await fetch(url, { headers: { range: "bytes=1000000-1999999" } });
    assertEquals(ranged.status, 206);
    assertEquals(new Uint8Array(await ranged.arrayBuffer()), BIG.slice(1_000_000, 2_000_000));
    assertEquals(hub.bytesSent(), 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test(`Ceph stores an object from the SDK and serves its ranges${reason(ceph)}`, {
  ignore: "skip" in ceph,
}, async () => {
  assert(!("skip" in ceph));
  await using _ = ceph;
  const client = new S3Client({
    endpoint: ceph.url,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: ceph.accessKey, secretAccessKey: ceph.secretKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  try {
    const Bucket = `models-${crypto.randomUUID()}`;
    await client.send(new CreateBucketCommand({ Bucket }));
    const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key: "org/m/w.bin", Body: BIG }));
    assert(/^"[0-9a-f]{32}"$/.test(ETag ?? ""), ETag);
    const get = new GetObjectCommand({ Bucket, Key: "org/m/w.bin", Range: "bytes=10-19", IfMatch: ETag });
    const bytes = await (await client.send(get)).Body?.transformToByteArray();
    assertEquals(new Uint8Array(bytes ?? []), BIG.slice(10, 20));
  } finally {
    client.destroy();
  }
});
