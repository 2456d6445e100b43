// Every source of the AWS default credential chain against fake endpoints, from source and in the executable.
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { aim, type Ran } from "../cli/aim.ts";
import { type AwsEndpoints, startAwsEndpoints } from "../servers/aws_endpoints.ts";
import { type S3Server, startS3 } from "../servers/s3_server.ts";
import { e2e } from "./e2e.ts";
import { executable } from "./executable.ts";

const ROLE = "arn:aws:iam::123456789012:role/reader";
const START_URL = "https://sso.example.org/start";

interface World {
  readonly s3: S3Server;
  readonly aws: AwsEndpoints;
  /** An empty home directory. */
  readonly home: string;
}

interface ChainSource {
  readonly name: string;
  /** Prepares the home directory and returns extra variables. */
  readonly environment: (world: World) => Promise<Record<string, string>>;
  /** Whether the endpoints received the expected requests. */
  readonly asked: (world: World) => boolean;
}

const SOURCES: readonly ChainSource[] = [
  {
    name: "a web identity, as for an EKS service account",
    environment: async ({ home }) => {
      await Deno.writeTextFile(`${home}/token`, "web-token\n");
      return { AWS_WEB_IDENTITY_TOKEN_FILE: `${home}/token`, AWS_ROLE_ARN: ROLE };
    },
    asked: ({ aws }) => aws.asked.some(({ body }) => body.includes("AssumeRoleWithWebIdentity")),
  },
  {
    name: "a profile's web identity",
    environment: async ({ home }) => {
      await Deno.writeTextFile(`${home}/token`, "web-token\n");
      await Deno.writeTextFile(
        `${home}/.aws/config`,
        `[profile reader]\nrole_arn = ${ROLE}\nweb_identity_token_file = ${home}/token\n`,
      );
      return { AWS_PROFILE: "reader" };
    },
    asked: ({ aws }) => aws.asked.some(({ body }) => body.includes("AssumeRoleWithWebIdentity")),
  },
  {
    name: "a profile's role, assumed with another profile's keys",
    environment: async ({ home, s3 }) => {
      await Deno.writeTextFile(
        `${home}/.aws/credentials`,
        `[base]\naws_access_key_id = ${s3.accessKey}\naws_secret_access_key = ${s3.secretKey}\n`,
      );
      await Deno.writeTextFile(
        `${home}/.aws/config`,
        `[profile reader]\nrole_arn = ${ROLE}\nsource_profile = base\n`,
      );
      return { AWS_PROFILE: "reader" };
    },
    asked: ({ aws }) => aws.asked.some(({ body }) => body.includes("Action=AssumeRole&")),
  },
  {
    name: "single sign-on with the token of aws sso login",
    environment: async ({ home }) => {
      const cache = `${home}/.aws/sso/cache`;
      await Deno.mkdir(cache, { recursive: true });
      const name = createHash("sha1").update(START_URL).digest("hex");
      const token = {
        accessToken: "SSO-TOKEN",
        expiresAt: "2035-01-01T00:00:00Z",
        region: "us-east-1",
        startUrl: START_URL,
      };
      await Deno.writeTextFile(`${cache}/${name}.json`, JSON.stringify(token));
      await Deno.writeTextFile(
        `${home}/.aws/config`,
        `[profile sso]\nsso_start_url = ${START_URL}\nsso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = reader\n`,
      );
      return { AWS_PROFILE: "sso" };
    },
    asked: ({ aws }) =>
      aws.asked.some(({ headers }) => headers.get("x-amz-sso_bearer_token") === "SSO-TOKEN"),
  },
  {
    name: "a container's endpoint, as for EKS Pod Identity",
    environment: async ({ home, aws }) => {
      await Deno.writeTextFile(`${home}/pod-token`, "CONTAINER-TOKEN");
      return {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.url}/container`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: `${home}/pod-token`,
      };
    },
    asked: ({ aws }) => aws.asked.some(({ path }) => path === "/container"),
  },
  {
    name: "an instance's role from metadata service version 2",
    environment: ({ aws }) =>
      Promise.resolve({ AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.url, AWS_EC2_METADATA_DISABLED: "false" }),
    asked: ({ aws }) =>
      aws.asked.some(({ headers }) => headers.get("x-aws-ec2-metadata-token") === "IMDS-TOKEN"),
  },
  {
    name: "a profile's own keys",
    environment: async ({ home, s3 }) => {
      await Deno.writeTextFile(
        `${home}/.aws/credentials`,
        `[default]\naws_access_key_id = ${s3.accessKey}\naws_secret_access_key = ${s3.secretKey}\n`,
      );
      return {};
    },
    asked: () => true,
  },
];

/** Runs aim with these arguments and variables. */
type Run = (args: readonly string[], env: Record<string, string>) => Promise<Ran>;

async function readsWith({ environment, asked }: ChainSource, run: Run): Promise<void> {
  await withWorld(async (world) => {
    const ran = await size(world, await environment(world), run);
    assertEquals(ran.code, 0, ran.stderr);
    assertEquals(JSON.parse(ran.stdout).sizeBytes, 2);
    assert(asked(world), "the endpoints were not asked");
    assert(world.s3.requests.every((request) => request.authorized));
  });
}

const fromSource: Run = (args, env) => aim(args, { env });

for (const source of SOURCES) {
  Deno.test(`S3 is read with credentials from ${source.name}`, () => readsWith(source, fromSource));
}

await e2e("every source of AWS credentials works in the executable", { containers: false }, async (t) => {
  const program = await executable();
  const inExecutable: Run = async (args, env) => {
    const options = { args: [...args], clearEnv: true, env: { PATH: "/usr/bin:/bin", ...env } };
    const { code, stdout, stderr } = await new Deno.Command(program, { ...options, stdin: "null" }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  for (const source of SOURCES) await t.step(source.name, () => readsWith(source, inExecutable));
  await t.step("credential_process is not run", () => runsNoProgram(inExecutable));
});

Deno.test("a profile's credential_process is not run: exit 4", () => runsNoProgram(fromSource));

async function runsNoProgram(run: Run): Promise<void> {
  await withWorld(async (world) => {
    const witness = `${world.home}/ran`;
    await Deno.writeTextFile(
      `${world.home}/.aws/config`,
      `[profile program]\ncredential_process = /bin/sh -c 'touch ${witness}'\n`,
    );
    const ran = await size(world, { AWS_PROFILE: "program" }, run);
    assertEquals(ran.code, 4, ran.stderr);
    assert(ran.stderr.includes("Unable to locate credentials"), ran.stderr);
    assertEquals(world.s3.requests, []);
    await Deno.stat(witness).then(() => assert(false, "it was run"), () => {});
  });
}

Deno.test("refused credentials are exit 4, and S3 gets no request", async () => {
  await withWorld(async (world) => {
    await Deno.writeTextFile(`${world.home}/token`, "web-token");
    const refused: readonly Record<string, string>[] = [
      {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${world.aws.url}/container`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: "WRONG",
      },
      {
        AWS_WEB_IDENTITY_TOKEN_FILE: `${world.home}/token`,
        AWS_ROLE_ARN: ROLE,
        AWS_ENDPOINT_URL_STS: `${world.aws.url}/nowhere`,
      },
    ];
    for (const env of refused) {
      const ran = await size(world, env, fromSource);
      assertEquals(ran.code, 4, ran.stderr);
      assert(!ran.stderr.includes("web-token"), ran.stderr);
    }
    assertEquals(world.s3.requests, []);
  });
});

async function size({ s3, aws, home }: World, env: Record<string, string>, run: Run): Promise<Ran> {
  return await run(["size", "s3://models/m"], {
    HOME: home,
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_S3: s3.url,
    AWS_ENDPOINT_URL_STS: aws.url,
    AWS_ENDPOINT_URL_SSO: aws.url,
    AWS_EC2_METADATA_DISABLED: "true",
    ...env,
  });
}

async function withWorld(test: (world: World) => Promise<void>): Promise<void> {
  await using s3 = await startS3({ buckets: { models: { "m/config.json": "{}" } } });
  await using aws = startAwsEndpoints(s3);
  const home = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${home}/.aws`);
    await test({ s3, aws, home });
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}
