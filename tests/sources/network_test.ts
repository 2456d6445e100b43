import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { neededCertificates, NEEDS_OPENSSL, OPENSSL_MISSING } from "../servers/certificates.ts";
import { startForwardProxy } from "../servers/forward_proxy.ts";
import { startHub } from "../servers/hub_server.ts";
import { startS3 } from "../servers/s3_server.ts";

const WEIGHTS = new Uint8Array(50_000).map((_, i) => i * 31);
const FILES = { "config.json": "{}", "model.safetensors": WEIGHTS };
const OBJECTS = { "m/config.json": "{}", "m/model.safetensors": WEIGHTS };
const BYTES = WEIGHTS.length + 2;

Deno.test("hub and S3 are read through HTTP_PROXY, which resolves names, unless NO_PROXY lists the host", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  await using s3 = await startS3({ buckets: { models: OBJECTS } });
  const port = (url: string) => Number(new URL(url).port);
  await using proxy = await startForwardProxy({
    credentials: "user:secretword",
    resolve: (host, asked) => ({
      host: "127.0.0.1",
      port: host === "hub.invalid" ? port(hub.url) : host === "s3.invalid" ? port(s3.url) : asked,
    }),
  });
  const env = {
    ...s3.env,
    HF_ENDPOINT: "http://hub.invalid",
    AWS_ENDPOINT_URL: "http://s3.invalid",
    HTTP_PROXY: proxy.url,
  };
  await inTemporary(async (directory) => {
    for (const uri of ["hf://org/model", "s3://models/m"]) {
      proxy.requests.length = 0;
      const ran = await aim(["fetch", uri, `${directory}/${uri.slice(0, 2)}`, "--progress", "none"], { env });
      assertEquals(ran.code, 0, ran.stderr);
      assertEquals(await Deno.readFile(`${directory}/${uri.slice(0, 2)}/model.safetensors`), WEIGHTS);
      assert(proxy.requests.length >= 3, proxy.requests.join("\n"));
    }
  });
  proxy.requests.length = 0;
  const direct = { ...env, HF_ENDPOINT: hub.url, AWS_ENDPOINT_URL: s3.url, NO_PROXY: "127.0.0.1,localhost" };
  for (const uri of ["hf://org/model", "s3://models/m"]) {
    const ran = await aim(["size", uri], { env: direct });
    assertEquals(ran.stdout, `{"url":"${uri}","sizeBytes":${BYTES}}\n`, ran.stderr);
  }
  assertEquals(proxy.requests, []);
  const wrong = await aim(["size", "org/model"], {
    env: { ...env, HTTP_PROXY: proxy.url.replace("secretword", "otherword") },
  });
  assertEquals(wrong.code, 6, wrong.stderr);
  assertStringIncludes(wrong.stderr, "the proxy in HTTP_PROXY requires a password");
  assert(!wrong.stderr.includes("otherword"), wrong.stderr);
});

Deno.test("a proxy's user may have no password", async () => {
  await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
  await using proxy = await startForwardProxy({ credentials: "me:" });
  const env = { HF_ENDPOINT: hub.url, HTTP_PROXY: proxy.url.replace(":@", "@") };
  const ran = await aim(["size", "org/model"], { env });
  assertEquals(ran.code, 0, ran.stderr);
  assert(proxy.requests.length >= 2);
});

Deno.test(
  `TLS goes through HTTPS_PROXY, and each variable for certificate authorities applies to hub and S3${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async (t) => {
    const certificates = await neededCertificates();
    await using _ = certificates;
    const { tls, caPath } = certificates;
    await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }], tls });
    await using s3 = await startS3({ buckets: { models: OBJECTS }, tls });
    await using proxy = await startForwardProxy();
    const env = { ...s3.env, HF_ENDPOINT: hub.url };
    for (const uri of ["hf://org/model", "s3://models/m"]) {
      for (const variable of ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"]) {
        await t.step(`${uri} with ${variable}`, async () => {
          proxy.requests.length = 0;
          const ran = await aim(["size", uri], {
            env: { ...env, [variable]: caPath, HTTPS_PROXY: proxy.url },
          });
          assertEquals(ran.stdout, `{"url":"${uri}","sizeBytes":${BYTES}}\n`, ran.stderr);
          assert(proxy.requests.every((line) => line.startsWith("CONNECT ")) && proxy.requests.length > 0);
        });
      }
      await t.step(`${uri} with an unknown authority`, async () => {
        const ran = await aim(["size", uri], { env });
        assertEquals(ran.code, 6, ran.stderr);
        assertStringIncludes(
          ran.stderr,
          "SSL_CERT_FILE",
        );
        assertEquals(ran.stderr.trim().split("\n").length, 1, ran.stderr);
      });
      await t.step(`${uri} with a missing file of authorities`, async () => {
        const ran = await aim(["size", uri], { env: { ...env, SSL_CERT_FILE: "/nowhere/ca.pem" } });
        assertEquals(ran.code, 2, ran.stderr);
        assertStringIncludes(ran.stderr, 'SSL_CERT_FILE is "/nowhere/ca.pem"');
      });
    }
  },
);

Deno.test(
  `a self-signed server certificate is accepted if the bundle contains it, even if it is marked as an authority${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async () => {
    const certificate = await selfSigned();
    await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }], tls: certificate });
    await inTemporary(async (directory) => {
      await Deno.writeTextFile(`${directory}/ca.pem`, certificate.cert);
      const env = { HF_ENDPOINT: hub.url, SSL_CERT_FILE: `${directory}/ca.pem`, HF_HOME: directory };
      const ran = await aim(["fetch", "org/model", `${directory}/m`, "--progress", "none"], { env });
      assertEquals(ran.code, 0, ran.stderr);
      assertEquals(await Deno.readFile(`${directory}/m/model.safetensors`), WEIGHTS);
      const other = await selfSigned();
      await Deno.writeTextFile(`${directory}/ca.pem`, other.cert);
      const refused = await aim(["size", "org/model"], { env });
      assertEquals(refused.code, 6, refused.stderr);
    });
  },
);

async function selfSigned(): Promise<{ cert: string; key: string }> {
  const directory = await Deno.makeTempDir();
  const [cert, key] = [`${directory}/cert.pem`, `${directory}/key.pem`];
  try {
    const { success } = await new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
        ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        ...["-addext", "basicConstraints=critical,CA:TRUE"],
      ],
      stdout: "null",
      stderr: "null",
    }).output();
    assert(success);
    return { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("an unreachable host is one line that names it, and exit code 6", async (t) => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const dead = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  const s3 = { AWS_ACCESS_KEY_ID: "key-of-test", AWS_SECRET_ACCESS_KEY: "secret-of-test" };
  const cases: [what: string, env: Record<string, string>, words: string][] = [
    [
      "refused",
      { HF_ENDPOINT: `http://${dead}`, AWS_ENDPOINT_URL: `http://${dead}` },
      `${dead} refuses the connection`,
    ],
    [
      "no such name",
      { HF_ENDPOINT: "http://no.invalid", AWS_ENDPOINT_URL: "http://no.invalid" },
      "no.invalid cannot be resolved by DNS",
    ],
    [
      "proxy refused",
      {
        HF_ENDPOINT: "http://far.invalid",
        AWS_ENDPOINT_URL: "http://far.invalid",
        HTTP_PROXY: `http://${dead}`,
      },
      "far.invalid through the proxy in HTTP_PROXY refuses the connection",
    ],
  ];
  for (const [what, env, words] of cases) {
    await t.step(what, async () => {
      const runs = ["org/model", "s3://models/m"].map((uri) =>
        aim(["size", uri], { env: { ...s3, ...env } })
      );
      for (const ran of await Promise.all(runs)) {
        assertEquals(ran.code, 6, ran.stderr);
        assertStringIncludes(ran.stderr, words);
        assertEquals(ran.stderr.trim().split("\n").length, 1, ran.stderr);
        assertEquals(ran.stdout, "");
      }
    });
  }
});

Deno.test("keys, region and endpoint are read from the AWS tools' shared configuration", async () => {
  await using s3 = await startS3({ buckets: { models: OBJECTS } });
  await inTemporary(async (directory) => {
    const env = {
      AWS_CONFIG_FILE: `${directory}/config`,
      AWS_SHARED_CREDENTIALS_FILE: `${directory}/credentials`,
    };
    await Deno.writeTextFile(
      env.AWS_CONFIG_FILE,
      `[profile p]\nregion = eu-west-1\nendpoint_url = ${s3.url}\n`,
    );
    const keys = `aws_access_key_id = ${s3.accessKey}\naws_secret_access_key = ${s3.secretKey}\n`;
    await Deno.writeTextFile(env.AWS_SHARED_CREDENTIALS_FILE, `[p]\n${keys}`);
    const ran = await aim(["size", "s3://models/m"], { env: { ...env, AWS_PROFILE: "p" } });
    assertEquals(ran.stdout, `{"url":"s3://models/m","sizeBytes":${BYTES}}\n`, ran.stderr);
    assertStringIncludes(s3.requests[0]?.headers.get("authorization") ?? "", "/eu-west-1/s3/");
    const none = await aim(["size", "s3://models/m"], {
      env: { ...env, AWS_PROFILE: "q", AWS_EC2_METADATA_DISABLED: "true" },
    });
    assertEquals(none.code, 4, none.stderr);
    assertStringIncludes(none.stderr, 'AWS_PROFILE is "q", which provides no AWS credentials');
  });
});

async function inTemporary(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
