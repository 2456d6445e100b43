import { nodeModule } from "../../os/node_module.ts";
import type { HeadObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { TransientError } from "../source.ts";
import { readStart } from "../transport/read_bounded.ts";
import { redirectTarget } from "../transport/redirect.ts";
import type { Transport } from "../transport/transport.ts";
import { type BucketAccess, type BucketPlace, openBucket } from "./bucket_access.ts";
import { escapeUri } from "./request_handler.ts";
import { s3Error, type S3Question, type S3Refusal } from "./s3_error.ts";
import type { S3Settings } from "./s3_settings.ts";

/** Maximum requests for one answer: a server may name another region, another endpoint and the right time. */
const ATTEMPTS = 4;

type Ask<T> = (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>;

/** A bucket: asks through the SDK, reads objects by signed requests, and follows the server to its real place. */
export class S3Bucket {
  readonly name: string;
  readonly #uri: string;
  readonly #settings: S3Settings;
  readonly #transport: Transport;
  #access: Promise<BucketAccess> | undefined;
  #place: BucketPlace = {};

  /** @param uri The model, for messages. */
  constructor(name: string, uri: string, settings: S3Settings, transport: Transport) {
    this.name = name;
    this.#uri = uri;
    this.#settings = settings;
    this.#transport = transport;
  }

  /** Parameters of the SDK's commands for objects, other than bucket and key. */
  get objectParameters(): Readonly<Record<string, string>> {
    const key = this.#settings.customerKey;
    return {
      ...this.listParameters,
      ...(key === null
        ? {}
        : { SSECustomerAlgorithm: "AES256", SSECustomerKey: key, SSECustomerKeyMD5: md5OfKey(key) }),
    };
  }

  get listParameters(): { readonly RequestPayer?: "requester" } {
    return this.#settings.requesterPays ? { RequestPayer: "requester" } : {};
  }

  /**
   * Asks through the SDK.
   *
   * @param key The object of the question, if any.
   * @param tolerated Statuses for which it returns `null`.
   * @throws {AimError} for a refusal, or an answer that is not S3's.
   */
  async ask<T>(
    key: string | null,
    signal: AbortSignal | undefined,
    send: Ask<T>,
    tolerated: readonly number[] = [],
  ): Promise<T | null> {
    for (let attempt = 1;; attempt++) {
      const access = await this.#open();
      try {
        return await send(access.client, signal === undefined ? {} : { abortSignal: signal });
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (error instanceof AimError) throw error;
        const refusal = refusalOf(error);
        if (refusal === null) throw this.odd(error instanceof Error ? error.message : String(error), error);
        if (attempt < ATTEMPTS && this.#moved(refusal, access)) continue;
        if (tolerated.includes(refusal.status)) return null;
        throw this.#refused(refusal, access, key);
      }
    }
  }

  /**
   * The metadata of an object, with its checksums, or of one of its parts; `null` if it does not exist.
   *
   * @param options.denied A 403 means the same: S3 answers so to users who may not list.
   */
  async head(
    key: string,
    signal?: AbortSignal,
    { part, denied = false }: { part?: number; denied?: boolean } = {},
  ): Promise<HeadObjectCommandOutput | null> {
    const { HeadObjectCommand } = await loadLibrary("aws_s3");
    const command = new HeadObjectCommand({
      Bucket: this.name,
      Key: key,
      ...this.objectParameters,
      ...(part === undefined ? { ChecksumMode: "ENABLED" } : { PartNumber: part }),
    });
    return await this.ask(
      key,
      signal,
      (client, options) => client.send(command, options),
      denied ? [403, 404] : [404],
    );
  }

  /**
   * Reads an object.
   *
   * @param path The object's path in the model, for messages.
   * @throws {TransientError | SourceChangedError | AimError} as {@linkcode s3Error} says.
   */
  async get(
    key: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response> {
    for (let attempt = 1;; attempt++) {
      const access = await this.#open();
      const url = new URL(access.base.href + key.split("/").map(escapeUri).join("/"));
      const signed = await access.signedHeaders(url, this.#objectHeaders());
      // Not signed, since a cache asks for ranges of its own and leaves conditions out.
      const all = { ...signed, ...headers, "accept-encoding": "identity" };
      const response = await this.#transport.fetch(url, { headers: all, signal });
      if (response.ok) return response;
      const body = await readStart(response).catch(() => "");
      const refusal: S3Refusal = {
        status: response.status,
        code: /<Code>([A-Za-z0-9.]+)<\/Code>/.exec(body)?.[1] ?? null,
        headers: response.headers,
        region: /<Region>([^<]+)<\/Region>/.exec(body)?.[1],
      };
      if (attempt < ATTEMPTS && this.#moved(refusal, access)) continue;
      throw s3Error(refusal, this.#question(access, path));
    }
  }

  odd(what: string, cause?: unknown): AimError {
    const line = what.split("\n")[0] ?? "";
    return new AimError("network", `the answer for ${this.#uri} is not what S3 answers: ${line}`, {
      hint: `check ${this.#settings.endpointVariable}`,
      cause,
    });
  }

  close(): void {
    this.#access?.then(({ client }) => client.destroy(), () => {});
  }

  #open(): Promise<BucketAccess> {
    return this.#access ??= openBucket(this.name, this.#settings, this.#transport, this.#place);
  }

  /** Adopts the region, address or time that a refusal names. Returns whether one of them is new. */
  #moved(refusal: S3Refusal, access: BucketAccess): boolean {
    const { status, code, headers } = refusal;
    if (code === "RequestTimeTooSkewed" || status === 403 && clockIsOff(headers)) {
      access.correctClock(serverTime(headers) ?? Date.now());
      return true;
    }
    const region = headers.get("x-amz-bucket-region") ?? refusal.region ?? null;
    if (region !== null && region !== access.region && /^[a-z0-9-]+$/.test(region)) {
      return this.#moveTo({ ...this.#place, region });
    }
    const target = redirectTarget(refusal, access.base);
    if (target === null || target.origin === access.base.origin) return false;
    const aws = /[.-]s3[.-]([a-z]{2}-[a-z0-9-]+\d)\.amazonaws\./.exec(target.hostname)?.[1];
    if (aws !== undefined) return aws !== access.region && this.#moveTo({ ...this.#place, region: aws });
    return this.#moveTo({ ...this.#place, endpoint: target.origin });
  }

  #moveTo(place: BucketPlace): true {
    this.close();
    this.#place = place;
    this.#access = undefined;
    return true;
  }

  #objectHeaders(): Readonly<Record<string, string>> {
    const { requesterPays, customerKey } = this.#settings;
    const name = "x-amz-server-side-encryption-customer";
    return {
      ...(requesterPays ? { "x-amz-request-payer": "requester" } : {}),
      ...(customerKey === null ? {} : {
        [`${name}-algorithm`]: "AES256",
        [`${name}-key`]: customerKey,
        [`${name}-key-md5`]: md5OfKey(customerKey),
      }),
    };
  }

  #refused(refusal: S3Refusal, access: BucketAccess, key: string | null): Error {
    const error = s3Error(refusal, this.#question(access, null));
    if (error instanceof TransientError) {
      return new AimError("network", error.message, { hint: "run again later", cause: error });
    }
    if (key === null || !(error instanceof AimError) || error.kind !== "unauthorized") return error;
    return new AimError(error.kind, `${error.message}, key ${JSON.stringify(key)}`, {
      hint: error.hint ?? "",
      cause: error,
    });
  }

  #question(access: BucketAccess, path: string | null): S3Question {
    const endpoint = this.#settings.endpoint;
    const endpointPath = endpoint === null ? "" : new URL(endpoint).pathname.replace(/\/+$/, "");
    return {
      bucket: this.name,
      uri: this.#uri,
      host: access.base.host,
      path,
      anonymous: access.anonymous,
      unsigned: this.#settings.credentials.kind === "anonymous",
      endpointPath,
    };
  }
}

function md5OfKey(key: string): string {
  return nodeModule("node:crypto").createHash("md5").update(Uint8Array.fromBase64(key)).digest("base64");
}

/** The refusal in an error of the SDK; `null` for any other error. */
function refusalOf(error: unknown): S3Refusal | null {
  if (!(error instanceof Error)) return null;
  const { name, $metadata, $response, Region } = error as Error & {
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
    Region?: unknown;
  };
  const status = $metadata?.httpStatusCode;
  if (status === undefined || status < 300) return null;
  // For an answer without a body (HEAD), the SDK makes up a name.
  const code = /^(NotFound|Unknown|UnknownError|Error|\d+)$/.test(name) ? null : name;
  return {
    status,
    code,
    headers: new Headers($response?.headers ?? {}),
    region: typeof Region === "string" ? Region : undefined,
  };
}

function serverTime(headers: Pick<Headers, "get">): number | null {
  const time = Date.parse(headers.get("date") ?? "");
  return Number.isNaN(time) ? null : time;
}

/** S3 allows 15 minutes. */
function clockIsOff(headers: Pick<Headers, "get">): boolean {
  const time = serverTime(headers);
  return time !== null && Math.abs(time - Date.now()) > 14 * 60_000;
}
