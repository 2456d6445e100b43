import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { startS3 } from "../servers/s3_server.ts";
import { e2e } from "./e2e.ts";
import { executable } from "./executable.ts";

const ROLE = "arn:aws:iam::123456789012:role/reader";
const URI = "s3://models/org/m";

await e2e("every source of AWS credentials works in the executable", { containers: false }, async (t) => {
  const aim = await executable();
  await using s3 = await startS3({ buckets: { models: { "org/m/config.json": "{}" } } });
  const home = await Deno.makeTempDir({ prefix: "aim-credentials-" });
  const keys = { id: s3.accessKey, secret: s3.secretKey };
  const asked: string[] = [];
  await using aws = startAws(keys, asked);
  await Deno.mkdir(`${home}/.aws/sso/cache`, { recursive: true });
  const size = async (env: Record<string, string>, config = "", credentials = "") => {
    await Deno.writeTextFile(`${home}/.aws/config`, config);
    await Deno.writeTextFile(`${home}/.aws/credentials`, credentials);
    asked.length = 0;
    const { code, stdout, stderr } = await new Deno.Command(aim, {
      args: ["size", URI],
      clearEnv: true,
      env: {
        PATH: "/usr/bin:/bin",
        HOME: home,
        AWS_ENDPOINT_URL_S3: s3.url,
        AWS_REGION: "us-east-1",
        AWS_EC2_METADATA_DISABLED: "true",
        ...env,
      },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  const works = async (env: Record<string, string>, config?: string, credentials?: string) => {
    const { code, stdout, stderr } = await size(env, config, credentials);
    assertEquals([code, stdout], [0, `{"url":"${URI}","sizeBytes":2}\n`], stderr);
  };
  const own = `[default]\naws_access_key_id = ${keys.id}\naws_secret_access_key = ${keys.secret}\n`;
  await Deno.writeTextFile(`${home}/token`, "identity");

  try {
    await t.step("keys of a profile", () => works({ AWS_PROFILE: "default" }, "", own));

    await t.step("web identity, as a service account of EKS has it", async () => {
      const env = {
        AWS_WEB_IDENTITY_TOKEN_FILE: `${home}/token`,
        AWS_ROLE_ARN: ROLE,
        AWS_ENDPOINT_URL_STS: aws.url,
      };
      await works(env);
      assertStringIncludes(asked[0] ?? "", "AssumeRoleWithWebIdentity");
      assertStringIncludes(asked[0] ?? "", "WebIdentityToken=identity");
    });

    await t.step("web identity of a profile", async () => {
      const profile = `[profile reader]\nrole_arn = ${ROLE}\nweb_identity_token_file = ${home}/token\n`;
      await works({ AWS_PROFILE: "reader", AWS_ENDPOINT_URL_STS: aws.url }, profile);
      assertStringIncludes(asked[0] ?? "", "AssumeRoleWithWebIdentity");
    });

    await t.step("a role that another profile's keys assume", async () => {
      const profile = `[profile reader]\nrole_arn = ${ROLE}\nsource_profile = default\n`;
      await works({ AWS_PROFILE: "reader", AWS_ENDPOINT_URL_STS: aws.url }, profile, own);
      assertMatch(asked[0] ?? "", /Action=AssumeRole(&|$)/);
    });

    await t.step("single sign-on, with the token that aws sso login has left", async () => {
      const start = "https://example.org/start";
      const name = createHash("sha1").update("work").digest("hex");
      await Deno.writeTextFile(
        `${home}/.aws/sso/cache/${name}.json`,
        JSON.stringify({
          accessToken: "sso-token",
          expiresAt: "2099-01-01T00:00:00Z",
          startUrl: start,
          region: "us-east-1",
        }),
      );
      const session = `[sso-session work]\nsso_start_url = ${start}\nsso_region = us-east-1\n`;
      const profile =
        `[profile reader]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = reader\n${session}`;
      await works({ AWS_PROFILE: "reader", AWS_ENDPOINT_URL_SSO: aws.url }, profile);
      assertMatch(asked[0] ?? "", /^GET \/federation\/credentials\?.*sso-token/);
    });

    await t.step("a container's own endpoint, as ECS and EKS Pod Identity have it", async () => {
      await works({
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.url}/container`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: "container-token",
      });
      assertMatch(asked[0] ?? "", /^GET \/container container-token/);
    });

    await t.step("an instance's metadata, version 2", async () => {
      await works({ AWS_EC2_METADATA_DISABLED: "false", AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.url });
      assertMatch(asked[0] ?? "", /^PUT \/latest\/api\/token/);
    });

    await t.step("a program is not run: downloads may start none, and exit 4 says so", async () => {
      const ran = `${home}/ran`;
      const { code, stderr } = await size(
        { AWS_PROFILE: "reader" },
        `[profile reader]\ncredential_process = /bin/sh -c "touch ${ran}"\n`,
      );
      assertEquals(code, 4, stderr);
      assertEquals(await Deno.stat(ran).then(() => true, () => false), false);
    });

    await t.step("an endpoint that refuses is exit 4, without the token in it", async () => {
      const { code, stderr } = await size({
        AWS_WEB_IDENTITY_TOKEN_FILE: `${home}/token`,
        AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/refused",
        AWS_ENDPOINT_URL_STS: aws.url,
      });
      assertEquals(code, 4, stderr);
      assertMatch(stderr, /not authorised/);
    });
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

/**
 * AWS's token service, its single sign-on, a container's endpoint and an instance's metadata, all at one
 * address.
 */
function startAws(
  keys: { id: string; secret: string },
  asked: string[],
): { url: string } & AsyncDisposable {
  const expiration = "2099-01-01T00:00:00Z";
  const json = (value: unknown) => Response.json(value);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const body = await request.text();
    const token = request.headers.get("authorization") ?? request.headers.get("x-amz-sso_bearer_token") ?? "";
    asked.push(`${request.method} ${pathname}${search} ${token} ${body}`);
    const aws = {
      AccessKeyId: keys.id,
      SecretAccessKey: keys.secret,
      Token: "session",
      Expiration: expiration,
    };
    switch (pathname) {
      case "/container":
        return json(aws);
      case "/federation/credentials":
        return json({
          roleCredentials: {
            accessKeyId: keys.id,
            secretAccessKey: keys.secret,
            sessionToken: "session",
            expiration: Date.parse(expiration),
          },
        });
      case "/latest/api/token":
        return new Response("metadata-token", {
          headers: { "x-aws-ec2-metadata-token-ttl-seconds": "21600" },
        });
      case "/latest/meta-data/iam/security-credentials/":
        return new Response("reader");
      case "/latest/meta-data/iam/security-credentials/reader":
        return json({ Code: "Success", Type: "AWS-HMAC", LastUpdated: "2026-01-01T00:00:00Z", ...aws });
    }
    const form = new URLSearchParams(body);
    if (form.get("RoleArn")?.endsWith("/refused")) {
      const error =
        "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorised</Message></Error>";
      return new Response(`<ErrorResponse>${error}</ErrorResponse>`, {
        status: 403,
        headers: { "content-type": "text/xml" },
      });
    }
    const name = form.get("Action") ?? "";
    const credentials =
      `<AccessKeyId>${keys.id}</AccessKeyId><SecretAccessKey>${keys.secret}</SecretAccessKey>` +
      `<SessionToken>session</SessionToken><Expiration>${expiration}</Expiration>`;
    return new Response(
      `<${name}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${name}Result>` +
        `<Credentials>${credentials}</Credentials></${name}Result></${name}Response>`,
      { headers: { "content-type": "text/xml" } },
    );
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, [Symbol.asyncDispose]: () => server.shutdown() };
}
