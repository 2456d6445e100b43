import { AimError } from "../../errors/aim_error.ts";
import { nodeModule } from "../../os/node_module.ts";
import { redirectTarget } from "../transport/redirect.ts";
import type { Transport } from "../transport/transport.ts";
import { type BucketAccess, type BucketRequest, openBucket } from "./bucket_access.ts";
import { readRefusal, s3Error, type S3Refusal } from "./s3_error.ts";
import type { S3Settings } from "./s3_settings.ts";

/** Maximum attempts at a request: a server may name another region, another endpoint and the right time. */
const ATTEMPTS = 4;
/** Milliseconds. S3 allows 15 minutes. */
const LARGEST_SKEW = 14 * 60_000;

interface S3Request extends BucketRequest {
  /** The object's path in the model, if its bytes are requested. Such a request is not retried here. */
  readonly path?: string;
  readonly signal: AbortSignal | undefined;
  /** Error statuses whose responses are returned. */
  readonly accepted?: readonly number[];
}

/** Signs requests for a bucket, and follows the server to the bucket's actual region or address. */
export class S3Bucket {
  readonly #name: string;
  readonly #uri: string;
  readonly #transport: Transport;
  #settings: S3Settings;
  #access: Promise<BucketAccess> | undefined;
  /** Milliseconds that the server's clock is ahead. */
  #clockOffset = 0;

  /** @param uri The model, for messages. */
  constructor(name: string, uri: string, settings: S3Settings, transport: Transport) {
    this.#name = name;
    this.#uri = uri;
    this.#settings = settings;
    this.#transport = transport;
  }

  /**
   * The metadata of an object, with its checksums, or of one of its parts; `null` if it does not exist. With
   * `denied`, a 403 means the same: S3 returns it to users who may not list.
   */
  async head(
    key: string,
    signal: AbortSignal | undefined,
    { part, denied = false }: { part?: number; denied?: boolean } = {},
  ): Promise<Headers | null> {
    const asked = part === undefined
      ? { headers: { "x-amz-checksum-mode": "ENABLED" } }
      : { query: { partNumber: `${part}` } };
    const accepted = denied ? [403, 404] : [404];
    const response = await this.send({ method: "HEAD", key, signal, accepted, ...asked });
    return response.ok ? response.headers : null;
  }

  odd(what: string, cause?: unknown): AimError {
    return new AimError("network", `the response for ${this.#uri} is not valid S3: ${what}`, {
      hint: "check AWS_ENDPOINT_URL",
      cause,
    });
  }

  /** Sends a signed request, again if the server names another region, address or time. @throws `s3Error` */
  async send({ accepted = [], ...request }: S3Request): Promise<Response> {
    const { method, key, path = null, signal } = request;
    const send = path === null ? "request" : "fetch";
    const plain = { ...this.#headers(key), "accept-encoding": "identity", ...request.headers };
    for (let attempt = 1;; attempt++) {
      const access = await (this.#access ??= openBucket(this.#name, this.#settings, this.#transport));
      const time = new Date(Date.now() + this.#clockOffset);
      const { url, headers } = await access.sign({ ...request, headers: plain }, time);
      const response = await this.#transport[send](url, { method, headers, signal });
      if (response.ok) return response;
      const refusal = await readRefusal(response);
      if (attempt < ATTEMPTS && this.#moved(refusal, access)) continue;
      if (accepted.includes(response.status)) return response;
      const question = { bucket: this.#name, uri: this.#uri, key, path, access, settings: this.#settings };
      throw s3Error(refusal, question);
    }
  }

  /** Headers of every request. */
  #headers(key: string): Readonly<Record<string, string>> {
    const { requesterPays, customerKey } = this.#settings;
    const name = "x-amz-server-side-encryption-customer";
    return {
      ...(requesterPays ? { "x-amz-request-payer": "requester" } : {}),
      ...(customerKey === null || key === "" ? {} : {
        [`${name}-algorithm`]: "AES256",
        [`${name}-key`]: customerKey,
        [`${name}-key-md5`]: md5OfKey(customerKey),
      }),
    };
  }

  /** Adopts the region, address or time that a refusal names. Returns whether one of them is new. */
  #moved(refusal: S3Refusal, access: BucketAccess): boolean {
    const { status, code, headers } = refusal;
    const offset = Date.parse(headers.get("date") ?? "") - Date.now();
    if (code === "RequestTimeTooSkewed" || status === 403 && Math.abs(offset) > LARGEST_SKEW) {
      this.#clockOffset = offset || 0;
      return true;
    }
    const region = headers.get("x-amz-bucket-region") ?? refusal.region ?? null;
    if (region !== null && region !== access.region && /^[a-z0-9-]+$/.test(region)) {
      return this.#moveTo({ region });
    }
    const target = redirectTarget(refusal, access.base);
    if (target === null || target.origin === access.base.origin) return false;
    const aws = /[.-]s3[.-]([a-z]{2}-[a-z0-9-]+\d)\.amazonaws\./.exec(target.hostname)?.[1];
    if (aws !== undefined) return aws !== access.region && this.#moveTo({ region: aws });
    return this.#moveTo({ endpoint: target.origin });
  }

  #moveTo(place: { readonly region: string } | { readonly endpoint: string }): true {
    this.#settings = { ...this.#settings, ...place };
    this.#access = undefined;
    return true;
  }
}

function md5OfKey(key: string): string {
  return nodeModule("node:crypto").createHash("md5").update(Uint8Array.fromBase64(key)).digest("base64");
}
