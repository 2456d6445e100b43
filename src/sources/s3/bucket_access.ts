import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import type { HttpRequest } from "@smithy/core/protocols";
import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { keepKeyId, keepSecret } from "../../log/redact.ts";
import { log } from "../../log/logger.ts";
import type { RequestHeaders } from "../transport/http_connection.ts";
import type { Transport } from "../transport/transport.ts";
import type { S3Settings } from "./s3_settings.ts";

/** A request without a body. */
export interface BucketRequest {
  readonly method: "GET" | "HEAD";
  /** The object; empty to list the bucket. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where a bucket is, and how requests for it are signed, by the rules of AWS's SDK. */
export interface BucketAccess {
  readonly anonymous: boolean;
  readonly region: string;
  /** Address of the bucket, with a slash at the end. */
  readonly base: URL;
  sign(request: BucketRequest, time: Date): Promise<{ readonly url: URL; readonly headers: RequestHeaders }>;
}

const DEFAULT_REGION = "us-east-1";
const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/** Headers that a cache in between may change: it requests other ranges and drops conditions. */
const UNSIGNED = new Set(["range", "if-match", "accept-encoding"]);

/**
 * Finds credentials, region and address of a bucket. MinIO and Ceph expect path-style addresses at their
 * endpoints.
 *
 * @throws {AimError} `unauthorized`: configured credentials cannot be fetched; `usage`: the bucket has no
 * address.
 */
export async function openBucket(
  bucket: string,
  settings: S3Settings,
  transport: Transport,
): Promise<BucketAccess> {
  const { S3Client, SignatureV4, buildQueryString, escapeUriPath } = await loadLibrary("aws_s3");
  await prepareProcess();
  const { endpoint, addressing, credentials } = settings;
  const common: S3ClientConfig = {
    requestHandler: requestHandler(transport),
    maxAttempts: 1,
    useArnRegion: true,
    useAccelerateEndpoint: settings.accelerate,
    forcePathStyle: addressing === "path" || addressing === null && endpoint !== null,
    ...(endpoint === null ? {} : { endpoint }),
    ...(credentials.kind === "static" ? { credentials } : {}),
  };
  const region = settings.region ??
    (await new S3Client(common).config.region().catch(() => "") || DEFAULT_REGION);
  const client = new S3Client({ ...common, region });
  const anonymous = credentials.kind === "anonymous" ||
    credentials.kind === "chain" && !await hasCredentials(client, credentials.askedBy);
  const { base, signingRegion, signingName } = await locate(client, bucket, settings);
  log.debug("bucket", { bucket, region, address: base.href, signed: !anonymous });
  const signer = new SignatureV4({
    service: signingName ?? "s3",
    region: signingRegion ?? region,
    // Called for each signature, so that renewed credentials are used.
    credentials: client.config.credentials,
    sha256: client.config.sha256,
    uriEscapePath: false,
  });

  return {
    anonymous,
    region,
    base,
    async sign({ method, key, query = {}, headers = {} }, signingDate) {
      const url = new URL(base.href + escapeUriPath(key));
      url.search = buildQueryString(query);
      if (anonymous) return { url, headers };
      const signed = await signer.sign({
        method,
        protocol: url.protocol,
        hostname: url.hostname,
        ...(url.port === "" ? {} : { port: Number(url.port) }),
        path: url.pathname,
        query,
        headers: { host: url.host, "x-amz-content-sha256": EMPTY_SHA256, ...headers },
      }, { signingDate, unsignableHeaders: UNSIGNED });
      const { host: _host, ...rest } = signed.headers;
      return { url, headers: rest };
    },
  };
}

interface BucketAddress {
  readonly base: URL;
  /** If they differ from the client's: an access point may be in another region. */
  readonly signingRegion?: string;
  readonly signingName?: string;
}

/** A bucket's address by the SDK's rules (endpoint, addressing, ARN of an access point). */
async function locate(client: S3Client, bucket: string, { addressing }: S3Settings): Promise<BucketAddress> {
  const { getEndpointFromInstructions, HeadBucketCommand } = await loadLibrary("aws_s3");
  const config: typeof client.config & { isCustomEndpoint?: boolean } = { ...client.config };
  const find = () => getEndpointFromInstructions({ Bucket: bucket }, HeadBucketCommand, config, {});
  try {
    let endpoint = await find();
    if (config.isCustomEndpoint && addressing === null && !config.forcePathStyle) {
      // The endpoint comes from the shared configuration.
      config.forcePathStyle = true;
      endpoint = await find();
    }
    const base = new URL(endpoint.url.href);
    base.pathname = base.pathname.replace(/\/*$/, "/");
    const [scheme] = (endpoint.properties?.authSchemes ?? []) as Omit<BucketAddress, "base">[];
    return { ...scheme, base };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AimError("usage", `cannot determine the address of bucket "${bucket}": ${reason}`, {
      hint: "check the bucket's name, AWS_ENDPOINT_URL and the region",
      cause: error,
    });
  }
}

/**
 * Prepares this process's environment for the SDK, which needs a home directory, and does not trim the line
 * break at the end of a secret that was created with `echo`.
 */
async function prepareProcess(): Promise<void> {
  const { homedir } = await import("node:os");
  if ((homedir() as string | null) === null) Deno.env.set("HOME", "/nonexistent");
  for (const [name, value] of Object.entries(Deno.env.toObject())) {
    if (name.startsWith("AWS_") && value !== value.trim()) Deno.env.set(name, value.trim());
  }
}

/**
 * Whether the chain finds credentials. Configured ones that cannot be fetched (an expired sign-on) are an
 * error.
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
      ? `${askedBy}, which provides no AWS credentials`
      : `cannot get AWS credentials: ${reason}`;
    throw new AimError("unauthorized", `${what} (Unable to locate credentials)`, {
      hint: "check the AWS_* variables, the shared configuration and the role",
      cause: error,
    });
  }
}

/** Sends the SDK's credential requests with aim's transport: its proxies, certificates and retries. */
function requestHandler(transport: Transport): NonNullable<S3ClientConfig["requestHandler"]> {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: HttpRequest, options?: { abortSignal?: unknown }) {
      const { method, protocol, hostname, port, path, query, body } = request;
      const { buildQueryString } = await loadLibrary("aws_s3");
      const url = new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`);
      url.search = buildQueryString(query);
      // fetch sets these from the address and the body.
      const { host: _host, "content-length": _length, ...headers } = Object.fromEntries(
        new Headers(request.headers),
      );
      const signal = options?.abortSignal instanceof AbortSignal ? options.abortSignal : undefined;
      const response = await transport.request(url, { method, headers, body: body ?? null, signal });
      return {
        response: {
          statusCode: response.status,
          reason: response.statusText,
          headers: Object.fromEntries(response.headers),
          body: response.body,
        },
      };
    },
  } as NonNullable<S3ClientConfig["requestHandler"]>;
}
