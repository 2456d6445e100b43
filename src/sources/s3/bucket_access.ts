import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { keepKeyId, keepSecret } from "../../log/redact.ts";
import { log } from "../../log/logger.ts";
import type { Transport } from "../transport/transport.ts";
import { requestHandler } from "./request_handler.ts";
import type { S3Settings } from "./s3_settings.ts";

/** Access to a bucket: the SDK's client for questions, and signed headers for reading objects. */
export interface BucketAccess {
  readonly client: S3Client;
  /** Requests are not signed. */
  readonly anonymous: boolean;
  readonly region: string;
  /** Address of the bucket; the address of an object is this and its key. */
  readonly base: URL;
  /** Headers for `GET` of an object, signed if there are credentials. */
  signedHeaders(
    url: URL,
    headers: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, string>>>;
  /** Later signatures have the server's time. Milliseconds since the epoch. */
  correctClock(serverTime: number): void;
}

/** The place of the bucket according to the server, which overrides the settings. */
export interface BucketPlace {
  readonly region?: string;
  readonly endpoint?: string;
}

/** The parts of the SDK's signer that are used. */
interface Signer {
  sign(request: unknown, options: { signingDate: Date }): Promise<{ headers: Record<string, string> }>;
}

/** The parts of the client's resolved configuration that its types leave out. */
interface ResolvedConfig {
  signer(scheme?: unknown): Promise<Signer>;
  readonly isCustomEndpoint?: boolean;
}

const DEFAULT_REGION = "us-east-1";
const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/**
 * Finds credentials, region and address of a bucket. With a configured endpoint, addresses are path-style, as
 * MinIO and Ceph expect, unless the settings say otherwise.
 *
 * @throws {AimError} `unauthorized` if configured credentials cannot be found or fetched; `usage` if the bucket
 * has no address.
 */
export async function openBucket(
  bucket: string,
  settings: S3Settings,
  transport: Transport,
  place: BucketPlace = {},
): Promise<BucketAccess> {
  const { S3Client } = await loadLibrary("aws_s3");
  await prepareProcess();
  const endpoint = place.endpoint ?? settings.endpoint;
  const base: S3ClientConfig = {
    requestHandler: requestHandler(transport),
    maxAttempts: 1,
    // aim checks complete files, not single answers.
    responseChecksumValidation: "WHEN_REQUIRED",
    requestChecksumCalculation: "WHEN_REQUIRED",
    useArnRegion: true,
    useAccelerateEndpoint: settings.accelerate,
    forcePathStyle: settings.addressing === "path" || settings.addressing === null && endpoint !== null,
    ...(endpoint === null ? {} : { endpoint }),
    ...credentialsOf(settings),
  };
  const region = place.region ?? settings.region ?? await profileRegion(new S3Client(base));
  const anonymous = settings.credentials.kind === "anonymous" ||
    settings.credentials.kind === "chain" &&
      !await hasCredentials(new S3Client({ ...base, region }), settings.credentials.askedBy);
  const config: S3ClientConfig = { ...base, region, ...(anonymous ? UNSIGNED : {}) };
  let client = new S3Client(config);
  let located = await locate(client, bucket);
  if (endpoint === null && settings.addressing === null && configOf(client).isCustomEndpoint) {
    // The endpoint is from the shared configuration.
    client = new S3Client({ ...config, forcePathStyle: true });
    located = await locate(client, bucket);
  }
  const { base: address, scheme } = located;
  /** Gets credentials from the chain for each signature, so that new ones are used. */
  let signer: Promise<Signer> | undefined;
  log.debug("bucket", { bucket, region, address: address.href, signed: !anonymous });

  return {
    client,
    anonymous,
    region,
    base: address,
    async signedHeaders(url, headers) {
      if (anonymous) return headers;
      const signed = await (await (signer ??= configOf(client).signer(scheme))).sign({
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

/** A bucket's address by the SDK's rules (endpoint, addressing, ARN of an access point), and its signing scheme. */
async function locate(client: S3Client, bucket: string): Promise<{ base: URL; scheme: unknown }> {
  const { getEndpointFromInstructions, HeadBucketCommand } = await loadLibrary("aws_s3");
  try {
    const { url, properties } = await getEndpointFromInstructions(
      { Bucket: bucket },
      HeadBucketCommand,
      { ...client.config },
      {},
    );
    const base = new URL(url.href);
    base.pathname = base.pathname.replace(/\/*$/, "/");
    const schemes = properties?.authSchemes;
    return { base, scheme: Array.isArray(schemes) ? schemes[0] : undefined };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AimError("usage", `bucket "${bucket}" has no address here: ${reason}`, {
      hint: "check the bucket's name, AWS_ENDPOINT_URL and the region",
      cause: error,
    });
  }
}

function configOf(client: S3Client): ResolvedConfig {
  return client.config as unknown as ResolvedConfig;
}

/**
 * Prepares this process's environment, which the SDK reads: it fails if neither `HOME` nor `/etc/passwd` has a
 * home directory, and it would keep the line break at the end of a secret that was made with `echo`.
 */
async function prepareProcess(): Promise<void> {
  const { homedir } = await import("node:os");
  if ((homedir() as string | null) === null) Deno.env.set("HOME", "/nonexistent");
  for (const [name, value] of Object.entries(Deno.env.toObject())) {
    if (name.startsWith("AWS_") && value !== value.trim()) Deno.env.set(name, value.trim());
  }
}

/** For public buckets. */
const UNSIGNED: S3ClientConfig = {
  credentials: { accessKeyId: "", secretAccessKey: "" },
  signer: { sign: (request: unknown) => Promise.resolve(request) } as unknown as NonNullable<
    S3ClientConfig["signer"]
  >,
};

function credentialsOf({ credentials }: S3Settings): Pick<S3ClientConfig, "credentials"> {
  if (credentials.kind !== "static") return {};
  const { kind: _kind, ...keys } = credentials;
  return { credentials: keys };
}

async function profileRegion(client: S3Client): Promise<string> {
  try {
    return await client.config.region() || DEFAULT_REGION;
  } catch {
    return DEFAULT_REGION;
  }
}

/**
 * Whether the chain finds credentials. If none are configured, the bucket is a public one; configured credentials
 * that cannot be fetched (an expired single sign-on, a role that may not be assumed) are an error.
 */
async function hasCredentials(client: S3Client, askedBy: string | null): Promise<boolean> {
  try {
    const found = await client.config.credentials();
    keepKeyId(found.accessKeyId);
    for (const secret of [found.secretAccessKey, found.sessionToken]) keepSecret(secret);
    return true;
  } catch (error) {
    if (error instanceof AimError) throw error;
    const reason = error instanceof Error ? error.message.split("\n")[0] ?? "" : String(error);
    const none = /could not load credentials from any providers/i.test(reason);
    if (none && askedBy === null) return false;
    const what = none
      ? `${askedBy}, which gives no AWS credentials`
      : `cannot get AWS credentials: ${reason}`;
    throw new AimError("unauthorized", `${what} (Unable to locate credentials)`, {
      hint: "check the AWS_* variables, the shared configuration and the role",
      cause: error,
    });
  }
}
