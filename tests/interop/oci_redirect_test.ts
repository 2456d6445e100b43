import { assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { startCeph } from "../servers/ceph.ts";
import { safetensorsBytes } from "../servers/content.ts";
import { NO_REGISTRY, skopeo, startRegistry } from "../oci/docker_registry.ts";
import { sha256 } from "../oci/oci_layout.ts";
import { tokenServer } from "../oci/token_server.ts";

const MODEL = {
  "config.json": new TextEncoder().encode('{"model_type":"llama"}\n'),
  "model.safetensors": safetensorsBytes(20_000_000),
};

const ceph = NO_REGISTRY === null ? await startCeph() : { skip: NO_REGISTRY };
const skip = "skip" in ceph ? ceph.skip : null;

Deno.test({
  name:
    `blobs that a registry redirects to Ceph are downloaded in parts, without sending the registry's token${
      skip === null ? "" : ` (skipped: ${skip})`
    }`,
  ignore: skip !== null,
  fn: async () => {
    if ("skip" in ceph) return;
    await using store = ceph;
    const directory = await Deno.makeTempDir();
    const bucket = `registry-${crypto.randomUUID()}`;
    await makeBucket(store.env, bucket);
    await using tokens = await tokenServer({ user: "user", password: "secret" });
    await using registry = await startRegistry(tokens.auth, { s3: { ...store, bucket } });
    await Deno.mkdir(`${directory}/origin/org/model`, { recursive: true });
    for (const [path, bytes] of Object.entries(MODEL)) {
      await Deno.writeFile(`${directory}/origin/org/model/${path}`, bytes);
    }
    const layout = `${directory}/layout`;
    const exported = await aim(["export", "org/model", layout], {
      env: { AIM_CACHE_PATH: `${directory}/origin` },
    });
    assertEquals(exported.code, 0, exported.stderr);
    const target = `${registry.host}/org/model:v1`;
    const flags = ["--dest-tls-verify=false", "--dest-creds", "user:secret"];
    await skopeo("copy", "-q", ...flags, `oci:${layout}:latest`, `docker://${target}`);

    const auths = { [registry.host]: { auth: btoa("user:secret") } };
    await Deno.writeTextFile(`${directory}/auth.json`, JSON.stringify({ auths }));
    const env = {
      AIM_CACHE_PATH: `${directory}/cache`,
      AIM_OCI_INSECURE: registry.host,
      REGISTRY_AUTH_FILE: `${directory}/auth.json`,
    };
    // Ceph refuses a presigned URL with an Authorization header.
    const { code, stdout, stderr } = await aim(
      ["download-to-cache", `oci://${target}`, "--part-size", "1M", "--format", "json"],
      { env },
    );
    assertEquals(code, 0, stderr);
    const { path } = JSON.parse(stdout);
    for (const [name, bytes] of Object.entries(MODEL)) {
      assertEquals(await sha256(await Deno.readFile(`${path}/${name}`)), await sha256(bytes), name);
    }
    assertEquals(await registry.blobBytesSent(), 0);
    await Deno.remove(directory, { recursive: true });
  },
});

async function makeBucket(env: Readonly<Record<string, string>>, bucket: string): Promise<void> {
  const { CreateBucketCommand, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client({
    endpoint: env.AWS_ENDPOINT_URL ?? "",
    region: "us-east-1",
    forcePathStyle: true,
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? "",
    },
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
}
