import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { assertEquals } from "@std/assert";
import { mountVolume, REFUSED } from "../cache/volumes.ts";
import { aim } from "../cli/aim.ts";
import { startCeph } from "../servers/ceph.ts";
import { randomBytes } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";
import { startS3 } from "../servers/s3_server.ts";
import { type FailureClass, failureClasses } from "./failure_classes.ts";

const MODEL = { "config.json": "{}", "model.safetensors": randomBytes(6_000_000, 7) };

const hub = await startHub({
  tokens: ["hf_reader", "hf_outsider"],
  repos: [
    { id: "org/open", files: MODEL },
    { id: "org/gated", files: MODEL, gated: "manual", allowed: ["hf_reader"] },
    { id: "org/private", files: MODEL, private: true, allowed: ["hf_reader"] },
  ],
});
const objects = Object.fromEntries(Object.entries(MODEL).map(([path, content]) => [`m/${path}`, content]));
const s3 = await startS3({
  buckets: { models: { ...objects, "empty/": "", "hollow/config.json": "" }, denied: { ...objects } },
  deniedBuckets: ["denied"],
});
const onHub = { HF_ENDPOINT: hub.url };
const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...noKeys } = s3.env;

interface Failure {
  readonly what: string;
  readonly uri: string;
  readonly env: Record<string, string>;
  readonly code: number;
  readonly is: FailureClass | null;
}

const HUB: readonly Failure[] = [
  { what: "gated, no token", uri: "hf://org/gated", env: onHub, code: 4, is: "auth" },
  {
    what: "gated, no access",
    uri: "hf://org/gated",
    env: { ...onHub, HF_TOKEN: "hf_outsider" },
    code: 4,
    is: "auth",
  },
  {
    what: "a missing model",
    uri: "hf://org/nothing",
    env: { ...onHub, HF_TOKEN: "hf_reader" },
    code: 5,
    is: "not found",
  },
  { what: "a missing model, no token", uri: "hf://org/nothing", env: onHub, code: 5, is: "not found" },
  { what: "a missing revision", uri: "hf://org/open@v9", env: onHub, code: 5, is: "not found" },
  {
    what: "an unknown token",
    uri: "hf://org/private",
    env: { ...onHub, HF_TOKEN: "hf_unknown" },
    code: 4,
    is: "auth",
  },
];

const S3: readonly Failure[] = [
  { what: "a missing bucket", uri: "s3://nothing/m", env: s3.env, code: 5, is: "not found" },
  { what: "a prefix without objects", uri: "s3://models/nothing", env: s3.env, code: 5, is: "not found" },
  {
    what: "a prefix with only a folder marker",
    uri: "s3://models/empty",
    env: s3.env,
    code: 5,
    is: "not found",
  },
  {
    what: "a prefix with one empty object",
    uri: "s3://models/hollow",
    env: s3.env,
    code: 5,
    is: "not found",
  },
  {
    what: "an unknown key",
    uri: "s3://models/m",
    env: { ...s3.env, AWS_ACCESS_KEY_ID: "AKIDUNKNOWN" },
    code: 4,
    is: "auth",
  },
  {
    what: "a wrong secret",
    uri: "s3://models/m",
    env: { ...s3.env, AWS_SECRET_ACCESS_KEY: "wrong" },
    code: 4,
    is: "auth",
  },
  { what: "access denied", uri: "s3://denied/m", env: s3.env, code: 4, is: "auth" },
  { what: "no credentials", uri: "s3://models/m", env: noKeys, code: 4, is: "auth" },
  {
    what: "no credentials in the credential chain",
    uri: "s3://models/m",
    env: { ...noKeys, AIM_S3_AUTH_MODE: "chain" },
    code: 4,
    is: "auth",
  },
  {
    what: "an access key without its secret",
    uri: "s3://models/m",
    env: { ...noKeys, AWS_ACCESS_KEY_ID: "AKID" },
    code: 4,
    is: "auth",
  },
  {
    what: "an unreachable server",
    uri: "s3://models/m",
    env: { ...s3.env, AWS_ENDPOINT_URL: "http://127.0.0.1:1" },
    code: 6,
    is: null,
  },
];

for (const { what, uri, env, code, is } of [...HUB, ...S3]) {
  Deno.test(`AIM Engine classifies ${what} as ${is ?? "nothing"} (${uri})`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      await assertFailure(["fetch", uri, `${directory}/m`], env, code, is);
      // A gated model's size is public.
      if (!what.startsWith("gated")) await assertFailure(["size", uri], env, code, is);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

// Starting a gateway takes 20 s.
const hasCeph = Deno.env.has("AIM_TEST_CEPH") || Deno.env.get("AIM_TEST_FULL") === "1";
const ceph = hasCeph ? await startCeph() : { skip: "AIM_TEST_FULL=1 runs it" };
const noCeph = "skip" in ceph ? ` (skipped: ${ceph.skip})` : "";

Deno.test({
  name: `AIM Engine classifies Ceph's errors like the test server's${noCeph}`,
  ignore: noCeph !== "",
  fn: cephTest,
});

async function cephTest(t: Deno.TestContext): Promise<void> {
  if ("skip" in ceph) return;
  await using _ = ceph;
  // Digits in the name could look like a status code.
  const bucket = `aim-${crypto.randomUUID().replace(/\d/g, "x")}`;
  const client = new S3Client({
    endpoint: ceph.url,
    forcePathStyle: true,
    region: "us-east-1",
    credentials: { accessKeyId: ceph.accessKey, secretAccessKey: ceph.secretKey },
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: "m/config.json", Body: "{}" }));
  client.destroy();
  const uri = `s3://${bucket}/m`;
  const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...noKeys } = ceph.env;
  const failures: readonly Failure[] = [
    { what: "a missing bucket", uri: "s3://aim-nothing/m", env: ceph.env, code: 5, is: "not found" },
    { what: "a prefix without objects", uri: `${uri}/none`, env: ceph.env, code: 5, is: "not found" },
    { what: "an unknown key", uri, env: { ...ceph.env, AWS_ACCESS_KEY_ID: "UNKNOWN" }, code: 4, is: "auth" },
    {
      what: "a wrong secret",
      uri,
      env: { ...ceph.env, AWS_SECRET_ACCESS_KEY: "wrong" },
      code: 4,
      is: "auth",
    },
    {
      what: "anonymous access although keys are set",
      uri,
      env: { ...ceph.env, AIM_S3_ANONYMOUS: "true" },
      code: 4,
      is: "auth",
    },
    { what: "no credentials", uri, env: noKeys, code: 4, is: "auth" },
    {
      what: "NoSuchKey, since the bucket is in the endpoint too",
      uri,
      env: { ...ceph.env, AWS_ENDPOINT_URL: `${ceph.url}/${bucket}` },
      code: 5,
      is: "not found",
    },
  ];
  for (const { what, uri, env, code, is } of failures) {
    await t.step(what, () => assertFailure(["size", uri], env, code, is));
  }
}

Deno.test({
  name: `AIM Engine classifies a volume that is too small or fills up as storage${
    REFUSED.tmpfs === null ? "" : ` (skipped: ${REFUSED.tmpfs})`
  }`,
  ignore: REFUSED.tmpfs !== null,
  fn: async (t) => {
    const directory = await Deno.makeTempDir();
    try {
      await t.step("before the first byte", async () => {
        await using volume = await mountVolume("tmpfs", directory, "size=2m");
        await assertFailure(["fetch", "s3://models/m", `${volume.path}/m`], s3.env, 7, "storage");
        await assertFailure(["fetch", "hf://org/open", `${volume.path}/m`], onHub, 7, "storage");
      });
      await t.step("during the download", async () => {
        await using volume = await mountVolume("tmpfs", directory, "size=8m");
        s3.faults.push({ kind: "slow", rate: 2_000_000 });
        const running = assertFailure(["fetch", "s3://models/m", `${volume.path}/m`], s3.env, 7, "storage");
        const seen = s3.requests.length;
        while (!s3.requests.slice(seen).some((r) => r.role === "object" && r.method === "GET")) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await Deno.writeFile(`${volume.path}/other`, new Uint8Array(8_000_000)).catch(() => {});
        await running;
        s3.faults.length = 0;
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test("AIM Engine sees no failure in the log of a successful download, even with retries and DEBUG", async (t) => {
  const directory = await Deno.makeTempDir();
  const fault = { kind: "status", status: 503, fraction: 0.3, times: 5 } as const;
  try {
    for (
      const [name, uri, env, server] of [
        ["hub", "hf://org/gated", { ...onHub, HF_TOKEN: "hf_reader" }, hub],
        ["s3", "s3://models/m", s3.env, s3],
      ] as const
    ) {
      await t.step(name, async () => {
        server.faults.push({ ...fault });
        const ran = await aim(["fetch", uri, `${directory}/${name}`], {
          env: {
            ...env,
            HF_HOME: `${directory}/home`,
            AIM_LOG_LEVEL: "DEBUG",
            AIM_DOWNLOAD_PART_SIZE: "1MiB",
          },
        });
        server.faults.length = 0;
        assertEquals(ran.code, 0, ran.stderr);
        assertEquals(failureClasses(ran.stderr), [], ran.stderr);
      });
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** Asserts that a failure's log matches its own class and no other. */
async function assertFailure(
  args: readonly string[],
  env: Record<string, string>,
  code: number,
  is: FailureClass | null,
): Promise<void> {
  const home = await Deno.makeTempDir();
  try {
    const ran = await aim(args, {
      env: {
        AWS_CONFIG_FILE: "/dev/null",
        AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
        AWS_EC2_METADATA_DISABLED: "true",
        ...env,
        HOME: home,
        HF_HOME: home,
        AIM_LOG_LEVEL: "DEBUG",
        DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      },
    });
    assertEquals(ran.code, code, ran.stderr);
    assertEquals(failureClasses(ran.stderr), is === null ? [] : [is], ran.stderr);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}
