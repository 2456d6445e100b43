import { assert, assertEquals, assertThrows } from "@std/assert";
import { AimError } from "../../src/errors/aim_error.ts";
import { s3Settings } from "../../src/sources/s3/s3_settings.ts";

const KEYS = { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "secret" };
const STATIC = { kind: "static", accessKeyId: "AKID", secretAccessKey: "secret" } as const;
const MINIO = { AWS_ENDPOINT_URL: "minio:9000" };

Deno.test("credentials are static, from the AWS chain or anonymous, as set by the operator or KServe", () => {
  const chain = (askedBy: string | null) => ({ kind: "chain", askedBy }) as const;
  const cases: [env: Record<string, string>, credentials: unknown][] = [
    [{}, chain(null)],
    [KEYS, STATIC],
    [{ ...KEYS, AWS_SESSION_TOKEN: "token" }, { ...STATIC, sessionToken: "token" }],
    [{ ...KEYS, AWS_PROFILE: "p" }, chain('AWS_PROFILE is "p"')],
    [{ ...KEYS, AWS_PROFILE: "p", AIM_S3_AUTH_MODE: "static" }, STATIC],
    [{ AIM_S3_AUTH_MODE: "chain" }, chain('AIM_S3_AUTH_MODE is "chain"')],
    // An empty key means anonymous; with a mode, it counts as unset.
    [{ AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" }, { kind: "anonymous" }],
    [{ AWS_ACCESS_KEY_ID: "", AIM_S3_AUTH_MODE: "chain" }, chain('AIM_S3_AUTH_MODE is "chain"')],
    [
      { AWS_ACCESS_KEY_ID: "", AWS_WEB_IDENTITY_TOKEN_FILE: "/t" },
      chain('AWS_WEB_IDENTITY_TOKEN_FILE is "/t"'),
    ],
    [{ ...KEYS, AIM_S3_ANONYMOUS: "true" }, { kind: "anonymous" }],
    [{ ...KEYS, AIM_S3_AUTH_MODE: "anonymous" }, { kind: "anonymous" }],
    [{ ...KEYS, AIM_S3_AUTH_MODE: "Anonymous", AIM_S3_ANONYMOUS: "true" }, { kind: "anonymous" }],
    [{ ...KEYS, awsAnonymousCredential: "true" }, { kind: "anonymous" }],
    [{ ...KEYS, awsAnonymousCredential: "false" }, STATIC],
    [{ ...KEYS, AIM_S3_SIGNATURE_VERSION: "s3v4" }, STATIC],
    // With the line break that `echo` adds to a secret.
    [{ AWS_ACCESS_KEY_ID: "AKID\n", AWS_SECRET_ACCESS_KEY: " secret\r\n", AWS_SESSION_TOKEN: "\n" }, STATIC],
  ];
  for (const [env, credentials] of cases) {
    assertEquals(s3Settings(env).credentials, credentials, JSON.stringify(env));
  }
});

Deno.test("an endpoint is read from each of its variables, with or without a scheme", () => {
  const cases: [env: Record<string, string>, endpoint: string | null][] = [
    [{}, null],
    [{ AWS_ENDPOINT_URL: "http://minio:9000/" }, "http://minio:9000"],
    [{ AWS_ENDPOINT_URL: "http://a", AWS_ENDPOINT_URL_S3: "http://b" }, "http://b"],
    [{ AWS_ENDPOINT_URL: "http://a", AWS_ENDPOINT_URL_S3: "" }, "http://a"],
    [MINIO, "https://minio:9000"],
    [{ ...MINIO, S3_NO_SSL: "true" }, "http://minio:9000"],
    [{ ...MINIO, S3_USE_HTTPS: "0" }, "http://minio:9000"],
    [{ ...MINIO, S3_USE_HTTPS: "1" }, "https://minio:9000"],
    [{ S3_ENDPOINT: "minio:9000", S3_USE_HTTPS: "0" }, "http://minio:9000"],
    [{ AWS_ENDPOINT_URL: "https://gateway/s3/" }, "https://gateway/s3"],
    // Ignores endpoints from the environment, unless the mode is set as well.
    [{ ...MINIO, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" }, null],
    [
      { ...MINIO, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true", AIM_S3_AUTH_MODE: "chain" },
      "https://minio:9000",
    ],
    [
      {
        AWS_ENDPOINT_URL_S3: "http://b",
        AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "1",
        AIM_S3_AUTH_MODE: "chain",
      },
      null,
    ],
    [{ AWS_ENDPOINT_URL: "minio:9000\n" }, "https://minio:9000"],
  ];
  for (const [env, endpoint] of cases) assertEquals(s3Settings(env).endpoint, endpoint, JSON.stringify(env));
});

Deno.test("addressing, certificates, region and other settings accept the operator's and KServe's names", () => {
  assertEquals(s3Settings({}).addressing, null);
  assertEquals(s3Settings({ S3_USER_VIRTUAL_BUCKET: "true" }).addressing, "virtual");
  assertEquals(
    s3Settings({ S3_USER_VIRTUAL_BUCKET: "true", AIM_S3_ADDRESSING_STYLE: "path" }).addressing,
    "path",
  );
  for (
    const env of [{ S3_VERIFY_SSL: "0" }, { S3_VERIFY_SSL: "false" }, { AIM_S3_INSECURE_SKIP_VERIFY: "true" }]
  ) {
    assertEquals(s3Settings(env).verifyTls, false);
  }
  for (
    const env of [{}, { S3_VERIFY_SSL: "1" }, { AIM_S3_INSECURE_SKIP_VERIFY: "false", S3_VERIFY_SSL: "0" }]
  ) {
    assertEquals(s3Settings(env).verifyTls, true);
  }
  assertEquals(s3Settings({ AWS_DEFAULT_REGION: "eu-west-1\n" }).region, "eu-west-1");
  assertEquals(s3Settings({ AWS_REGION: "a", AWS_DEFAULT_REGION: "b" }).region, "a");
  assertEquals(s3Settings({ AWS_REQUEST_PAYER: "requester" }).requesterPays, true);
});

Deno.test("NAME_FILE is a file with the value, and NAME overrides it", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const files: Record<string, string> = {};
    for (
      const [name, value] of Object.entries({
        ...KEYS,
        AWS_ENDPOINT_URL: "http://minio:9000",
        AWS_REGION: "r",
      })
    ) {
      await Deno.writeTextFile(`${directory}/${name}`, `${value}\n`);
      files[`${name}_FILE`] = `${directory}/${name}`;
    }
    const settings = s3Settings(files);
    assertEquals(settings.credentials, STATIC);
    assertEquals([settings.endpoint, settings.region], ["http://minio:9000", "r"]);
    assertEquals(s3Settings({ ...files, AWS_REGION: "own", AWS_ENDPOINT_URL: "" }).region, "own");
    // A pipe without a writer, a missing file and a directory.
    const { success } = await new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).output();
    assert(success);
    for (const path of [`${directory}/pipe`, `${directory}/none`, directory]) {
      const error = assertThrows(() => s3Settings({ ...files, AWS_SECRET_ACCESS_KEY_FILE: path }), AimError);
      assertEquals(error.kind, "usage");
      assert(error.line.includes("AWS_SECRET_ACCESS_KEY_FILE") && error.line.includes(path), error.line);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("an invalid value is one line that names its variable and never shows a key", () => {
  const cases: [env: Record<string, string>, variable: string, kind: string][] = [
    [{ AWS_ENDPOINT_URL: "ftp://minio" }, "AWS_ENDPOINT_URL", "usage"],
    [{ AWS_ENDPOINT_URL_S3: "http://a/?x" }, "AWS_ENDPOINT_URL_S3", "usage"],
    [{ AWS_ENDPOINT_URL: "http://user:hunter22@minio" }, "AWS_ENDPOINT_URL", "usage"],
    [{ AWS_SECRET_ACCESS_KEY: "hunter22\nrest" }, "AWS_SECRET_ACCESS_KEY", "usage"],
    [{ AWS_SESSION_TOKEN: "hunter22\r\nX-Header: a" }, "AWS_SESSION_TOKEN", "usage"],
    [{ AWS_REGION: "us east" }, "AWS_REGION", "usage"],
    [{ AIM_S3_AUTH_MODE: "keys" }, "AIM_S3_AUTH_MODE", "usage"],
    [{ AIM_S3_ANONYMOUS: "maybe" }, "AIM_S3_ANONYMOUS", "usage"],
    [{ AIM_S3_ANONYMOUS: "true", AIM_S3_AUTH_MODE: "static" }, "AIM_S3_AUTH_MODE", "usage"],
    [{ AIM_S3_SIGNATURE_VERSION: "s3" }, "AIM_S3_SIGNATURE_VERSION", "usage"],
    [{ AIM_S3_SSE_CUSTOMER_KEY: "hunter22" }, "AIM_S3_SSE_CUSTOMER_KEY", "usage"],
    [{ AWS_ACCESS_KEY_ID: "AKID" }, "AWS_SECRET_ACCESS_KEY", "unauthorized"],
    [{ AIM_S3_AUTH_MODE: "static" }, "AWS_ACCESS_KEY_ID", "unauthorized"],
  ];
  for (const [env, variable, kind] of cases) {
    const error = assertThrows(() => s3Settings({ ...KEYS, ...clearedKeys(env, kind), ...env }), AimError);
    assertEquals(error.kind, kind, error.line);
    assert(error.line.includes(variable) && !error.line.includes("\n"), error.line);
    assert(!error.line.includes("hunter22"), error.line);
  }
});

/** For an `unauthorized` case, empties the keys that it does not set. */
function clearedKeys(env: Record<string, string>, kind: string): Record<string, string> {
  return kind === "unauthorized"
    ? Object.fromEntries(Object.keys(KEYS).filter((name) => !(name in env)).map((name) => [name, ""]))
    : {};
}
