import { assert, assertEquals, assertRejects } from "@std/assert";
import { streamOf } from "../sources/stream_of.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { openSource } from "../../src/sources/open_source.ts";
import { parseModelRef } from "../../src/sources/model_ref.ts";
import { type Source, SourceChangedError } from "../../src/sources/source.ts";
import { digestMatches, digestsOf, digestSpecs } from "../../src/transfer/hash/digests.ts";
import { type Ceph, startCeph } from "../servers/ceph.ts";

const MIB = 2 ** 20;
const SIGNAL = new AbortController().signal;

const ceph = await startCeph();
const name = "Ceph: odd keys, ranges, and plain and multipart uploads are read and verified";
if ("skip" in ceph) Deno.test({ name: `${name} (skipped: ${ceph.skip})`, ignore: true, fn: () => {} });
else Deno.test(name, (t) => readsCeph(t, ceph));

async function readsCeph(t: Deno.TestContext, ceph: Ceph): Promise<void> {
  await using _ = ceph;
  const {
    CompleteMultipartUploadCommand,
    CreateBucketCommand,
    CreateMultipartUploadCommand,
    PutObjectCommand,
    S3Client,
    UploadPartCommand,
  } = await import("@aws-sdk/client-s3");
  const Bucket = `aim-${crypto.randomUUID()}`;
  const client = new S3Client({
    endpoint: ceph.url,
    forcePathStyle: true,
    region: "us-east-1",
    credentials: { accessKeyId: ceph.accessKey, secretAccessKey: ceph.secretKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  const put = (Key: string, Body: Uint8Array) => client.send(new PutObjectCommand({ Bucket, Key, Body }));
  const upload = async (Key: string, bytes: Uint8Array, partSize: number) => {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const Parts: { PartNumber: number; ETag: string }[] = [];
    for (let at = 0; at < bytes.length; at += partSize) {
      const PartNumber = Parts.length + 1;
      const Body = bytes.subarray(at, at + partSize);
      const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
      Parts.push({ PartNumber, ETag: ETag ?? "" });
    }
    await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
  };
  const bytes = Uint8Array.from({ length: 12 * MIB + 77 }, (_, i) => (i * 31 + (i >> 11)) & 255);
  const small = bytes.subarray(0, 5000);
  const open = (prefix: string, more: Record<string, string> = {}): Source =>
    openSource(parseModelRef(`s3://${Bucket}/${prefix}`), {
      hfEndpoint: "http://127.0.0.1:1",
      hfToken: () => Promise.resolve(null),
      protocols: ["HTTP"],
      offline: false,
      env: { ...ceph.env, ...more },
      connections: 4,
      sleep: () => Promise.resolve(),
    });

  await client.send(new CreateBucketCommand({ Bucket }));
  const odd = ["a b+c%25#?é.json", "sub/日本 (1)!'*.txt", "config.json"];
  for (const name of odd) await put(`models/org/m/${name}`, small);
  await put("models/org/m/", new Uint8Array());
  await put("models/org/m/empty", new Uint8Array());
  await put("models/org/m-2/config.json", small);
  await upload("models/org/m/by-8.safetensors", bytes, 8 * MIB);
  await upload("models/org/m/by-5.safetensors", bytes, 5 * MIB);
  await upload("models/org/m/by-10.safetensors", bytes, 10 * MIB);

  await t.step("every file is listed and read correctly, and its digest verifies it", async () => {
    const source = open("models/org/m");
    const { files } = await source.manifest();
    assertEquals(
      files.map((f) => f.path as string).sort(),
      [...odd, "empty", "by-5.safetensors", "by-8.safetensors", "by-10.safetensors"].sort(),
    );
    for (const file of files) {
      const content = file.path.startsWith("by-") ? bytes : file.size === 0 ? new Uint8Array() : small;
      const got = await new Response(streamOf(await source.read(file, null, SIGNAL))).bytes();
      assertEquals(got.length, content.length, file.path);
      assert(file.digest !== null, file.path);
      assert(digestMatches(file.digest, digestsOf(digestSpecs(file.digest), got)), file.path);
      if (file.size > 0) {
        const wrong = content.with(content.length >> 1, (content[content.length >> 1] ?? 0) ^ 1);
        assert(!digestMatches(file.digest, digestsOf(digestSpecs(file.digest), wrong)), file.path);
      }
    }
    const large = files.find((f) => f.path === "by-5.safetensors");
    assert(large !== undefined);
    const part = await source.read(large, { start: 5 * MIB - 3, end: 5 * MIB + 9 }, SIGNAL);
    assertEquals(part.range, { start: 5 * MIB - 3, end: 5 * MIB + 9 });
    assertEquals(await new Response(streamOf(part)).bytes(), bytes.slice(5 * MIB - 3, 5 * MIB + 9));
    source[Symbol.dispose]();
  });

  await t.step("an object replaced after the listing is reported as a changed source", async () => {
    const source = open("models/org/m-2");
    const [file] = (await source.manifest()).files;
    assert(file !== undefined);
    await put("models/org/m-2/config.json", bytes.subarray(1, 5001));
    await assertRejects(() => source.read(file, { start: 0, end: 10 }, SIGNAL), SourceChangedError);
    source[Symbol.dispose]();
  });

  await t.step("missing and unauthorized models are reported as such", async () => {
    const cases = [
      [open("models/none"), "not-found"],
      [open("models/org/m", { AWS_SECRET_ACCESS_KEY: "wrong-secret" }), "unauthorized"],
      [open("models/org/m", { AWS_ACCESS_KEY_ID: "WRONG" }), "unauthorized"],
    ] as const;
    for (const [source, kind] of cases) {
      assertEquals((await assertRejects(() => source.manifest(), AimError)).kind, kind);
      source[Symbol.dispose]();
    }
  });
  client.destroy();
}
