import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { keepSecret } from "../../log/redact.ts";
import { log } from "../../log/logger.ts";
import type { Transport } from "../transport/transport.ts";
import { requestHandler, type SdkRequest } from "./request_handler.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A bucket as it is reached: the SDK's client for questions, and signed addresses for reading objects. */
export interface BucketAccess {
  readonly client: S3Client;
  /** No credentials were found: requests go without a signature. */
  readonly anonymous: boolean;
  readonly region: string;
  /** Address under which the bucket's keys lie, with a slash at the end. */
  readonly base: URL;
  /** Headers for `GET` of an object, signed where there are credentials. */
  signedHeaders(
    url: URL,
    headers: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, string>>>;
  /** Takes the server's time for that of later signatures. */
  correctClock(serverTime: number): void;
}

/**
 * The SDK joins paths to the home directory, and fails where there is none: a user of a container that neither `HOME` nor
 * `/etc/passwd` knows. Only this process sees the name given here.
 */
async function nameHome(): Promise<void> {
  const { homedir } = await import("node:os");
  if ((homedir() as string | null) === null) Deno.env.set("HOME", "/nonexistent");
}

/** The parts of the SDK's signer that are used. */
interface Signer {
  sign(request: unknown, options: { signingDate: Date }): Promise<{ headers: Record<string, string> }>;
}

const DEFAULT_REGION = "us-east-1";
const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/**
 * Finds credentials (the SDK's default chain), region and endpoint for a bucket. A configured endpoint is spoken to path-style, as
 * MinIO and Ceph want it.
 *
 * @param region Instead of the configured one: where the server said that the bucket is.
 * @throws {AimError} `usage` for an endpoint that is no URL; `unauthorized` when credentials are configured but cannot be had.
 */
export async function openBucket(
  bucket: string,
  env: Env,
  transport: Transport,
  region?: string,
): Promise<BucketAccess> {
  const { HeadBucketCommand, S3Client } = await loadLibrary("aws_s3");
  await nameHome();
  const configuredEndpoint = endpointFrom(env);
  let intercept: ((request: SdkRequest) => void) | undefined;
  const base: S3ClientConfig = {
    requestHandler: requestHandler(transport, (request) => intercept?.(request)),
    maxAttempts: 1,
    // Bodies stay as they come: aim proves whole files, not answers.
    responseChecksumValidation: "WHEN_REQUIRED",
    requestChecksumCalculation: "WHEN_REQUIRED",
    ...(configuredEndpoint === null ? {} : { endpoint: configuredEndpoint, forcePathStyle: true }),
    ...credentialsFrom(env),
  };
  const place = region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION) ??
    await profileRegion(new S3Client(base));
  const anonymous = !await hasCredentials(new S3Client({ ...base, region: place }));
  if (anonymous) assertNoneConfigured(env);
  const settings: S3ClientConfig = { ...base, region: place, ...(anonymous ? UNSIGNED : {}) };

  /** Where the SDK would send a request for the bucket, without sending it. */
  const locate = async (client: S3Client): Promise<SdkRequest> => {
    let seen: SdkRequest | undefined;
    const stop = new Error("located");
    intercept = (request) => {
      seen = request;
      throw stop;
    };
    await client.send(new HeadBucketCommand({ Bucket: bucket })).catch((error: unknown) => {
      if (error !== stop) throw error;
    });
    intercept = undefined;
    if (seen === undefined) throw new Error(`no request was made for bucket ${bucket}`);
    return seen;
  };
  let client = new S3Client(settings);
  let located = await locate(client);
  // An endpoint from the shared configuration file shows in the address alone.
  if (configuredEndpoint === null && !/(^|\.)amazonaws\.com(\.[a-z]+)?$/.test(located.hostname)) {
    client = new S3Client({ ...settings, forcePathStyle: true });
    located = await locate(client);
  }
  const port = located.port === undefined ? "" : `:${located.port}`;
  const address = new URL(
    `${located.protocol}//${located.hostname}${port}${located.path.replace(/\/*$/, "/")}`,
  );
  /** Made once: it asks the chain for credentials at each signature, and so sees new ones. */
  let signer: Promise<Signer> | undefined;
  log.debug("bucket", { bucket, region: place, address: address.href, signed: !anonymous });

  return {
    client,
    anonymous,
    region: place,
    base: address,
    async signedHeaders(url, headers) {
      if (anonymous) return headers;
      const signed = await (await (signer ??= signerOf(client))).sign({
        method: "GET",
        protocol: url.protocol,
        hostname: url.hostname,
        ...(url.port === "" ? {} : { port: Number(url.port) }),
        path: url.pathname,
        query: {},
        headers: { host: url.host, "x-amz-content-sha256": EMPTY_SHA256, ...headers },
      }, { signingDate: new Date(Date.now() + (client.config.systemClockOffset ?? 0)) });
      const { host: _host, ...rest } = signed.headers;
      return rest;
    },
    correctClock(serverTime) {
      client.config.systemClockOffset = serverTime - Date.now();
    },
  };
}

async function signerOf(client: S3Client): Promise<Signer> {
  const { signer } = client.config as unknown as { signer(scheme?: unknown): Promise<Signer> };
  return await signer();
}

/** Sends requests as they are: for buckets that anyone may read. */
const UNSIGNED: S3ClientConfig = {
  credentials: { accessKeyId: "", secretAccessKey: "" },
  signer: { sign: (request: unknown) => Promise.resolve(request) } as unknown as NonNullable<
    S3ClientConfig["signer"]
  >,
};

function endpointFrom(env: Env): string | null {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === "true") return null;
  const name = env.AWS_ENDPOINT_URL_S3 ? "AWS_ENDPOINT_URL_S3" : "AWS_ENDPOINT_URL";
  const text = env[name];
  if (text === undefined || text === "") return null;
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "") return text;
  throw new AimError("usage", `${name} is ${JSON.stringify(text)}`, {
    hint: "use an address as https://HOST[:PORT]",
  });
}

/** Keys that the environment holds; everything else is left to the SDK's default chain. */
function credentialsFrom(env: Env): Pick<S3ClientConfig, "credentials"> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE } = env;
  for (const secret of [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN]) keepSecret(secret);
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY || AWS_PROFILE) return {};
  return {
    credentials: {
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
    },
  };
}

async function profileRegion(client: S3Client): Promise<string> {
  try {
    return await client.config.region() || DEFAULT_REGION;
  } catch {
    return DEFAULT_REGION;
  }
}

/** Ways to credentials that the environment asks for: where one fails, going on without a signature would hide it. */
const CONFIGURED_WAYS = [
  "AWS_PROFILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

function assertNoneConfigured(env: Env): void {
  const keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
  const [missing, ...more] = keys.filter((name) => !env[name]);
  if (missing !== undefined && more.length === 0) {
    throw new AimError("unauthorized", `AWS credentials are incomplete: ${missing} is not set`, {
      hint: `set ${missing}`,
    });
  }
  const way = CONFIGURED_WAYS.find((name) => env[name]);
  if (way === undefined) return;
  throw new AimError(
    "unauthorized",
    `${way} is ${JSON.stringify(env[way])}, which gives no AWS credentials`,
    {
      hint: "check it, or unset it",
    },
  );
}

/**
 * Whether the chain finds credentials. Nothing configured at all means a public bucket; a configured way that fails (an expired
 * single sign-on, a role that may not be assumed) is an error.
 */
async function hasCredentials(client: S3Client): Promise<boolean> {
  try {
    const found = await client.config.credentials();
    for (const secret of [found.accessKeyId, found.secretAccessKey, found.sessionToken]) keepSecret(secret);
    return true;
  } catch (error) {
    if (error instanceof AimError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    if (/could not load credentials from any providers/i.test(reason)) return false;
    throw new AimError("unauthorized", `AWS credentials cannot be had: ${reason.split("\n")[0] ?? ""}`, {
      hint: "check AWS_PROFILE, the shared configuration and the role",
      cause: error,
    });
  }
}
