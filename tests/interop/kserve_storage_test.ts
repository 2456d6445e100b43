// aim fetch downloads the same files as KServe's own storage initializer.
import { assert, assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { makeCertificates, NEEDS_OPENSSL, OPENSSL_MISSING } from "../servers/certificates.ts";
import { randomBytes } from "../servers/content.ts";
import { startHub } from "../servers/hub_server.ts";
import { startOddS3 } from "../servers/odd_s3.ts";
import { startS3 } from "../servers/s3_server.ts";
import { pythonEnv } from "./python_env.ts";

const KSERVE = await pythonEnv("kserve", ["kserve-storage==0.21.0"]);
const skip = typeof KSERVE === "string" ? null : KSERVE.skip;

const FILES = {
  "config.json": new TextEncoder().encode('{"model_type":"llama"}'),
  "tokenizer/a b+c%25é.json": new TextEncoder().encode("odd"),
  "model-00001-of-00002.safetensors": randomBytes(9_000_000, 1),
  "model-00002-of-00002.safetensors": randomBytes(700_000, 2),
  "original/weights.pth": randomBytes(1000, 3),
};

const SCRIPT = `
import sys
from kserve_storage import Storage
Storage.download(sys.argv[1], sys.argv[2])
`;

interface Download {
  readonly what: string;
  readonly uri: string;
  readonly env: Record<string, string>;
}

const hub = await startHub({
  repos: [
    { id: "org/model", files: FILES, refs: { "v1.0": { "config.json": "{}" } } },
    { id: "org/closed", files: FILES, private: true, allowed: ["hf_reader"] },
  ],
});
const objects = Object.fromEntries(
  Object.entries(FILES).map(([path, content]) => [`models/org/m/${path}`, content]),
);
const parts = {
  "models/org/m/model-00001-of-00002.safetensors": {
    content: FILES["model-00001-of-00002.safetensors"],
    partSize: 5 * 2 ** 20,
  },
};
const s3 = await startS3({
  buckets: { models: { ...objects, ...parts, "models/org/m-2/x": "x" } },
  publicBuckets: ["models"],
});
const onS3 = { ...s3.env, S3_USE_HTTPS: "0", S3_ENDPOINT: new URL(s3.url).host };
const virtual = startOddS3("models", objects, { virtualHost: true });

const DOWNLOADS: readonly Download[] = [
  { what: "a hub model", uri: "hf://org/model", env: { HF_ENDPOINT: hub.url } },
  { what: "a revision in KServe's syntax", uri: "hf://org/model:v1.0", env: { HF_ENDPOINT: hub.url } },
  {
    what: "a private hub model",
    uri: "hf://org/closed",
    env: { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_reader" },
  },
  { what: "an S3 prefix", uri: "s3://models/models/org/m/", env: onS3 },
  { what: "an extra slash", uri: "s3://models//models/org/m/", env: onS3 },
  { what: "one object", uri: "s3://models/models/org/m/config.json", env: onS3 },
  {
    what: "anonymous access although keys are set",
    uri: "s3://models/models/org/m/",
    env: { ...onS3, AWS_SECRET_ACCESS_KEY: "wrong", awsAnonymousCredential: "true" },
  },
  {
    what: "allow and ignore patterns",
    uri: "s3://models/models/org/m/",
    env: {
      ...onS3,
      STORAGE_ALLOW_PATTERNS: '["*.json", "*.safetensors"]',
      STORAGE_IGNORE_PATTERNS: "*-00002-*",
    },
  },
  {
    what: "KServe's storage spec",
    uri: "s3://models/models/org/m/",
    env: {
      STORAGE_CONFIG: JSON.stringify({
        type: "s3",
        access_key_id: s3.accessKey,
        secret_access_key: "overridden",
        endpoint_url: s3.url,
        region: "us-east-1",
      }),
      STORAGE_OVERRIDE_CONFIG: JSON.stringify({ secret_access_key: s3.secretKey }),
    },
  },
  {
    what: "the bucket in the host name",
    uri: "s3://models/models/org/m/",
    env: {
      ...onS3,
      AWS_ENDPOINT_URL: "http://s3.test",
      HTTP_PROXY: virtual.url,
      S3_USER_VIRTUAL_BUCKET: "true",
      awsAnonymousCredential: "true",
    },
  },
];

for (const { what, uri, env } of DOWNLOADS) {
  Deno.test({
    name: `aim fetch and kserve-storage download the same files: ${what}${
      skip === null ? "" : ` (skipped: ${skip})`
    }`,
    ignore: skip !== null,
    fn: () => assertSame(uri, env),
  });
}

Deno.test({
  name: `aim fetch and kserve-storage accept the same certificate settings${
    skip === null ? OPENSSL_MISSING : ` (skipped: ${skip})`
  }`,
  ignore: skip !== null || NEEDS_OPENSSL.ignore,
  fn: async (t) => {
    const certificates = await makeCertificates();
    assert(!("skip" in certificates));
    await using _ = certificates;
    await using tls = await startS3({ buckets: { models: objects }, tls: certificates.tls });
    const uri = "s3://models/models/org/m/";
    await t.step("S3_VERIFY_SSL=0", () => assertSame(uri, { ...tls.env, S3_VERIFY_SSL: "0" }));
    await t.step("AWS_CA_BUNDLE", () => assertSame(uri, { ...tls.env, AWS_CA_BUNDLE: certificates.caPath }));
    await t.step("a mounted ConfigMap", async () => {
      const mount = await Deno.makeTempDir();
      await Deno.copyFile(certificates.caPath, `${mount}/cabundle.crt`);
      await assertSame(uri, {
        ...tls.env,
        CA_BUNDLE_CONFIGMAP_NAME: "ca",
        CA_BUNDLE_VOLUME_MOUNT_POINT: mount,
      });
      await Deno.remove(mount, { recursive: true });
    });
  },
});

async function assertSame(uri: string, env: Record<string, string>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const ran = await aim(["fetch", uri, `${directory}/aim`], {
      env: { ...env, HF_HOME: `${directory}/home` },
    });
    assertEquals(ran.code, 0, ran.stderr);
    await Deno.mkdir(`${directory}/kserve`);
    const theirs = await new Deno.Command(`${KSERVE}/bin/python3`, {
      args: ["-c", SCRIPT, uri, `${directory}/kserve`],
      clearEnv: true,
      env: {
        PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
        HOME: `${directory}/home`,
        ...env,
        HF_HOME: `${directory}/home`,
      },
      stdin: "null",
    }).output();
    assertEquals(theirs.code, 0, new TextDecoder().decode(theirs.stderr));
    const files = await filesOf(`${directory}/aim`);
    assertEquals([...files.keys()], [...(await filesOf(`${directory}/kserve`)).keys()]);
    assertEquals(files, await filesOf(`${directory}/kserve`));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Digests by path, without either tool's own files. */
async function filesOf(directory: string, prefix = ""): Promise<Map<string, string>> {
  const files: [string, string][] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (prefix === "" && (name === ".cache" || name === ".aim")) continue;
    const path = `${directory}/${name}`;
    if (isDirectory) files.push(...await filesOf(path, `${prefix}${name}/`));
    else {files.push([
        prefix + name,
        new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path))).toHex(),
      ]);}
  }
  return new Map(files.sort(([a], [b]) => a < b ? -1 : 1));
}
