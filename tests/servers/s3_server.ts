// A path-style S3 endpoint on loopback that checks signatures, keeps objects in memory (or serves virtual
// ones) and injects faults on command.
//
//   await using s3 = await startS3({ buckets: { models: { "org/m/config.json": "{}" } } });
//   AWS_ENDPOINT_URL=s3.url AWS_ACCESS_KEY_ID=s3.accessKey AWS_SECRET_ACCESS_KEY=s3.secretKey …
//   s3.faults.push({ kind: "status", status: 503, fraction: 0.3 });   // roles: list, object, write
//   await s3.put("models", "org/m/config.json", "{ }");               // replaced: another ETag
import { createHash } from "node:crypto";
import { bytesContent, type Content, contentBytes } from "./content.ts";
import { crc32, crc32c, crc64nvme } from "./crc.ts";
import type { Fault, Role, SeenRequest } from "./faults.ts";
import { type HttpReply, type HttpRequest, type PlainReply, serveHttp } from "./http_server.ts";
import { checkSigV4 } from "./sigv4.ts";

export type ChecksumAlgorithm = "CRC32" | "CRC32C" | "CRC64NVME" | "SHA1" | "SHA256";

/** An object with more than its bytes. */
export interface S3ObjectSpec {
  readonly content: Content | Uint8Array | string;
  /** Part size of a multipart upload; gives a multipart ETag. */
  readonly partSize?: number;
  /** Stored with a checksum; a composite one (over the parts' checksums) needs `partSize`. @default {none} */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type?: "FULL_OBJECT" | "COMPOSITE" };
  /** An ETag unrelated to the bytes, as with server-side encryption; without quotes. @default {S3's} */
  readonly etag?: string;
}

export type S3Given = S3ObjectSpec | Content | Uint8Array | string;

export interface S3Options {
  readonly buckets: Readonly<Record<string, Readonly<Record<string, S3Given>>>>;
  /** @default {"test-access-key"} */
  readonly accessKey?: string;
  /** @default {"test-secret-key"} */
  readonly secretKey?: string;
  /** Maximum keys per page. @default {1000} */
  readonly pageSize?: number;
  /** Buckets that may be read without a signature. */
  readonly publicBuckets?: readonly string[];
  /** Buckets that the key may not read: 403 AccessDenied. */
  readonly deniedBuckets?: readonly string[];
  /** The initial faults; the same list as `S3Server.faults`. */
  readonly faults?: Fault[];
  /** @default {1} */
  readonly seed?: number;
  /** @default {0} */
  readonly port?: number;
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

export interface S3Server extends AsyncDisposable {
  /** For `AWS_ENDPOINT_URL`. */
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Environment for a client: endpoint, keys, region, no other configuration. */
  readonly env: Readonly<Record<string, string>>;
  readonly requests: SeenRequest[];
  readonly faults: Fault[];
  /** Milliseconds that the server's clock is ahead; above 15 minutes, every request is refused. */
  clockSkew: number;
  /** Creates or replaces an object. */
  put(bucket: string, key: string, given: S3Given): Promise<void>;
  /** Removes an object. */
  remove(bucket: string, key: string): void;
  /** The ETag without quotes. */
  etag(bucket: string, key: string): string;
  /** The bytes of an object. */
  get(bucket: string, key: string): Promise<Uint8Array<ArrayBuffer>>;
  keys(bucket: string): string[];
  /** Bytes of objects sent so far. */
  bytesSent(): number;
  readonly connections: number;
  close(): Promise<void>;
}

interface Stored {
  readonly content: Content;
  readonly etag: string;
  /** Part sizes of a multipart upload; otherwise empty. */
  readonly parts: readonly number[];
  readonly checksum:
    | { algorithm: ChecksumAlgorithm; type: "FULL_OBJECT" | "COMPOSITE"; value: string }
    | null;
  readonly type: string;
  readonly modified: Date;
}

interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly algorithm: ChecksumAlgorithm | null;
  readonly type: "FULL_OBJECT" | "COMPOSITE";
  readonly contentType: string;
  readonly parts: Map<number, Uint8Array<ArrayBuffer>>;
}

/** Starts the endpoint on 127.0.0.1. */
export async function startS3(options: S3Options): Promise<S3Server> {
  const s3 = new S3(options);
  for (const [bucket, objects] of Object.entries(options.buckets)) {
    s3.buckets.set(bucket, new Map());
    for (const [key, given] of Object.entries(objects)) await s3.put(bucket, key, given);
  }
  return s3;
}

class S3 implements S3Server {
  readonly buckets = new Map<string, Map<string, Stored>>();
  readonly requests: SeenRequest[] = [];
  readonly faults: Fault[];
  readonly accessKey: string;
  readonly secretKey: string;
  clockSkew = 0;
  readonly #options: S3Options;
  readonly #uploads = new Map<string, Upload>();
  readonly #server;

  constructor(options: S3Options) {
    this.#options = options;
    this.faults = options.faults ?? [];
    this.accessKey = options.accessKey ?? "test-access-key";
    this.secretKey = options.secretKey ?? "test-secret-key";
    this.#server = serveHttp({
      ...(options.port === undefined ? {} : { port: options.port }),
      tls: options.tls,
      faults: this.faults,
      requests: this.requests,
      seed: options.seed ?? 1,
      classify: classifyS3,
      handle: (request) => this.#handle(request),
      failure: (status, request) =>
        failure(status, FAILURES[status] ?? "InternalError", "as told", request.target),
    });
  }

  get url(): string {
    return this.#server.url;
  }

  get connections(): number {
    return this.#server.connections;
  }

  get env(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.url,
      AWS_ACCESS_KEY_ID: this.accessKey,
      AWS_SECRET_ACCESS_KEY: this.secretKey,
      AWS_DEFAULT_REGION: "us-east-1",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_EC2_METADATA_DISABLED: "true",
    };
  }

  async put(bucket: string, key: string, given: S3Given): Promise<void> {
    const spec: S3ObjectSpec =
      typeof given === "string" || given instanceof Uint8Array || !("content" in given)
        ? { content: given }
        : given;
    const content = typeof spec.content === "string" || spec.content instanceof Uint8Array
      ? bytesContent(spec.content)
      : spec.content;
    const { partSize, checksum, etag } = spec;
    const parts: number[] = [];
    for (let at = 0; partSize !== undefined && (at < content.size || at === 0); at += partSize) {
      parts.push(Math.min(partSize, content.size - at));
    }
    const pieces = partSize === undefined ? [] : await split(content, parts);
    const whole = async () => await contentBytes(content);
    const multipart = `${md5(...pieces.map((piece) => md5Bytes(piece)))}-${parts.length}`;
    this.#bucket(bucket).set(key, {
      content,
      parts,
      etag: etag ?? (parts.length > 0 ? multipart : (await content.digests()).md5),
      checksum: checksum === undefined
        ? null
        : checksumOf(checksum.algorithm, checksum.type ?? "FULL_OBJECT", await whole(), pieces),
      type: "binary/octet-stream",
      modified: new Date(),
    });
  }

  remove(bucket: string, key: string): void {
    this.#bucket(bucket).delete(key);
  }

  etag(bucket: string, key: string): string {
    return this.#stored(bucket, key).etag;
  }

  async get(bucket: string, key: string): Promise<Uint8Array<ArrayBuffer>> {
    return await contentBytes(this.#stored(bucket, key).content);
  }

  keys(bucket: string): string[] {
    return [...this.#bucket(bucket).keys()];
  }

  bytesSent(): number {
    return this.requests.filter((r) => r.role === "object" && r.status < 300).reduce(
      (sum, r) => sum + r.sent,
      0,
    );
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #bucket(name: string): Map<string, Stored> {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) throw new Error(`no bucket ${name}`);
    return bucket;
  }

  #stored(bucket: string, key: string): Stored {
    const stored = this.#bucket(bucket).get(key);
    if (stored === undefined) throw new Error(`no object ${key}`);
    return stored;
  }

  async #handle(request: HttpRequest): Promise<HttpReply> {
    const { bucket: name, key } = split3(request.target);
    const { publicBuckets = [], deniedBuckets = [] } = this.#options;
    const unsigned = !request.headers.has("authorization") && !request.target.includes("X-Amz-Signature=");
    if (!(unsigned && publicBuckets.includes(name))) {
      const now = Date.now() + this.clockSkew;
      const fault = checkSigV4(request, { accessKey: this.accessKey, secretKey: this.secretKey, now });
      if (fault !== null) return failure(fault.status, fault.code, fault.message, request.target);
    }
    if (deniedBuckets.includes(name)) return failure(403, "AccessDenied", "Access Denied", request.target);
    if (name === "") return this.#listBuckets();
    const query = request.url.searchParams;
    const bucket = this.buckets.get(name);
    if (key === "") return await this.#onBucket(request, name, bucket, query);
    if (bucket === undefined) return noBucket(name);
    switch (request.method) {
      case "GET":
      case "HEAD":
        return this.#read(request, bucket, key, query);
      case "PUT":
        return await this.#write(request, name, bucket, key, query);
      case "POST":
        return await this.#multipart(request, name, bucket, key, query);
      case "DELETE":
        if (query.has("uploadId")) this.#uploads.delete(query.get("uploadId") ?? "");
        else bucket.delete(key);
        return { status: 204 };
    }
    return failure(405, "MethodNotAllowed", "The specified method is not allowed", request.target);
  }

  #listBuckets(): HttpReply {
    const buckets = [...this.buckets.keys()].map((name) =>
      element("Bucket", { Name: name, CreationDate: CREATED })
    );
    return xml(
      200,
      `<ListAllMyBucketsResult xmlns="${NS}"><Buckets>${buckets.join("")}</Buckets></ListAllMyBucketsResult>`,
    );
  }

  async #onBucket(
    request: HttpRequest,
    name: string,
    bucket: Map<string, Stored> | undefined,
    query: URLSearchParams,
  ): Promise<HttpReply> {
    if (request.method === "PUT") {
      if (bucket === undefined) this.buckets.set(name, new Map());
      return { status: 200, headers: { Location: `/${name}` } };
    }
    if (bucket === undefined) return noBucket(name);
    if (request.method === "HEAD") return { status: 200, headers: { "x-amz-bucket-region": "us-east-1" } };
    if (request.method === "DELETE") {
      if (bucket.size > 0) return failure(409, "BucketNotEmpty", "The bucket is not empty", name);
      this.buckets.delete(name);
      return { status: 204 };
    }
    if (request.method === "POST" && query.has("delete")) {
      const text = new TextDecoder().decode(await readAll(request.body));
      const keys = [...text.matchAll(/<Key>(.*?)<\/Key>/gs)].map(([, key]) => unescape(key ?? ""));
      for (const key of keys) bucket.delete(key);
      const deleted = keys.map((key) => element("Deleted", { Key: escape(key) })).join("");
      return xml(200, `<DeleteResult xmlns="${NS}">${deleted}</DeleteResult>`);
    }
    if (query.has("location")) return xml(200, `<LocationConstraint xmlns="${NS}"/>`);
    if (query.has("versioning")) return xml(200, `<VersioningConfiguration xmlns="${NS}"/>`);
    if (query.has("uploads")) return xml(200, `<ListMultipartUploadsResult xmlns="${NS}"/>`);
    return list(name, bucket, query, this.#options.pageSize ?? 1000);
  }

  #read(request: HttpRequest, bucket: Map<string, Stored>, key: string, query: URLSearchParams): HttpReply {
    const stored = bucket.get(key);
    if (stored === undefined) return failure(404, "NoSuchKey", "The specified key does not exist.", key);
    if (query.has("attributes")) return attributes(request, stored);
    const headers: Record<string, string> = {
      "Last-Modified": stored.modified.toUTCString(),
      "Content-Type": stored.type,
      "x-amz-request-id": "0000000000000001",
    };
    const ranged = request.headers.has("range") || query.has("partNumber");
    // As in S3: a partial response does not have the checksum of the complete object.
    if (
      request.headers.get("x-amz-checksum-mode")?.toUpperCase() === "ENABLED" && stored.checksum !== null &&
      !ranged
    ) {
      headers[`x-amz-checksum-${stored.checksum.algorithm.toLowerCase()}`] = stored.checksum.value;
      headers["x-amz-checksum-type"] = stored.checksum.type;
    }
    const etag = `"${stored.etag}"`;
    const explain = (status: 412 | 416) =>
      status === 412
        ? errorXml("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", key)
        : errorXml("InvalidRange", "The requested range is not satisfiable", key);
    const part = query.get("partNumber");
    if (part === null) return { file: stored.content, etag, headers, explain };
    const sizes = stored.parts.length > 0 ? stored.parts : [stored.content.size];
    const size = sizes[Number(part) - 1];
    if (size === undefined) {
      return failure(416, "InvalidPartNumber", "The requested partnumber is not satisfiable", key);
    }
    const start = sizes.slice(0, Number(part) - 1).reduce((sum, n) => sum + n, 0);
    if (stored.parts.length > 0) headers["x-amz-mp-parts-count"] = `${sizes.length}`;
    headers["Content-Range"] = `bytes ${start}-${start + size - 1}/${stored.content.size}`;
    const { content } = stored;
    return {
      status: 206,
      file: {
        size,
        digests: () => content.digests(),
        read: (from, to) => content.read(start + from, start + to),
      },
      etag,
      headers,
      explain,
    };
  }

  async #write(
    request: HttpRequest,
    name: string,
    bucket: Map<string, Stored>,
    key: string,
    query: URLSearchParams,
  ): Promise<HttpReply> {
    if (request.headers.has("x-amz-copy-source")) {
      const source = split3(`/${request.headers.get("x-amz-copy-source")?.replace(/^\//, "")}`);
      const stored = this.buckets.get(source.bucket)?.get(source.key);
      if (stored === undefined) {
        return failure(404, "NoSuchKey", "The specified key does not exist.", source.key);
      }
      bucket.set(key, { ...stored, modified: new Date() });
      return xml(
        200,
        element("CopyObjectResult", { ETag: `&quot;${stored.etag}&quot;`, LastModified: CREATED }),
      );
    }
    const { bytes, trailers } = await readUpload(request);
    const sha256 = request.headers.get("x-amz-content-sha256") ?? "";
    if (/^[0-9a-f]{64}$/.test(sha256) && createHash("sha256").update(bytes).digest("hex") !== sha256) {
      return failure(
        400,
        "XAmzContentSHA256Mismatch",
        "The provided header does not match what was computed.",
        key,
      );
    }
    const upload = this.#uploads.get(query.get("uploadId") ?? "");
    if (query.has("uploadId")) {
      if (upload === undefined) {
        return failure(404, "NoSuchUpload", "The specified upload does not exist.", key);
      }
      upload.parts.set(Number(query.get("partNumber")), bytes);
      const sum = upload.algorithm === null ? {} : {
        [`x-amz-checksum-${upload.algorithm.toLowerCase()}`]:
          checksumOf(upload.algorithm, "FULL_OBJECT", bytes, []).value,
      };
      return { status: 200, headers: { ETag: `"${md5(bytes)}"`, ...sum } };
    }
    const sent = ALGORITHMS.map((algorithm) => {
      const header = `x-amz-checksum-${algorithm.toLowerCase()}`;
      return { algorithm, value: request.headers.get(header) ?? trailers.get(header) };
    }).find(({ value }) => value !== undefined && value !== null);
    if (sent !== undefined && checksumOf(sent.algorithm, "FULL_OBJECT", bytes, []).value !== sent.value) {
      return failure(
        400,
        "BadDigest",
        `The ${sent.algorithm} you specified did not match what we received.`,
        key,
      );
    }
    const type = request.headers.get("content-type") ?? "binary/octet-stream";
    // As in S3: an object without a checksum gets CRC64NVME.
    const algorithm = sent?.algorithm ?? "CRC64NVME";
    const stored: Stored = {
      content: bytesContent(bytes),
      etag: md5(bytes),
      parts: [],
      checksum: checksumOf(algorithm, "FULL_OBJECT", bytes, []),
      type,
      modified: new Date(),
    };
    this.#bucket(name).set(key, stored);
    return { status: 200, headers: { ETag: `"${stored.etag}"` } };
  }

  async #multipart(
    request: HttpRequest,
    name: string,
    bucket: Map<string, Stored>,
    key: string,
    query: URLSearchParams,
  ): Promise<HttpReply> {
    if (query.has("uploads")) {
      const id = crypto.randomUUID();
      const algorithm = ALGORITHMS.find((a) => a === request.headers.get("x-amz-checksum-algorithm")) ?? null;
      const type = request.headers.get("x-amz-checksum-type") ??
        (algorithm === null || algorithm === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE");
      this.#uploads.set(id, {
        bucket: name,
        key,
        algorithm,
        type: type === "COMPOSITE" ? "COMPOSITE" : "FULL_OBJECT",
        contentType: request.headers.get("content-type") ?? "binary/octet-stream",
        parts: new Map(),
      });
      return xml(
        200,
        element("InitiateMultipartUploadResult", { Bucket: name, Key: escape(key), UploadId: id }),
      );
    }
    const id = query.get("uploadId") ?? "";
    const upload = this.#uploads.get(id);
    if (upload === undefined) {
      return failure(404, "NoSuchUpload", "The specified upload does not exist.", key);
    }
    const text = new TextDecoder().decode(await readAll(request.body));
    const numbers = [...text.matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, n]) => Number(n));
    const pieces = numbers.map((n) => upload.parts.get(n) ?? new Uint8Array());
    const bytes = join(pieces);
    const etag = `${md5(...pieces.map((piece) => md5Bytes(piece)))}-${pieces.length}`;
    bucket.set(key, {
      content: bytesContent(bytes),
      etag,
      parts: pieces.map((piece) => piece.length),
      checksum: upload.algorithm === null
        ? checksumOf("CRC64NVME", "FULL_OBJECT", bytes, [])
        : checksumOf(upload.algorithm, upload.type, bytes, pieces),
      type: upload.contentType,
      modified: new Date(),
    });
    this.#uploads.delete(id);
    return xml(
      200,
      element("CompleteMultipartUploadResult", {
        Bucket: name,
        Key: escape(key),
        ETag: `&quot;${etag}&quot;`,
      }),
    );
  }
}

const NS = "http://s3.amazonaws.com/doc/2006-03-01/";
const CREATED = "2025-01-01T00:00:00.000Z";
const ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;
const FAILURES: Readonly<Record<number, string>> = {
  400: "RequestTimeout",
  403: "AccessDenied",
  408: "RequestTimeout",
  429: "TooManyRequests",
  503: "SlowDown",
};

function list(
  name: string,
  bucket: Map<string, Stored>,
  query: URLSearchParams,
  pageSize: number,
): HttpReply {
  const second = query.get("list-type") === "2";
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const max = Math.min(Number(query.get("max-keys") ?? 1000), pageSize);
  const token = query.get("continuation-token");
  const after =
    (second ? token === null ? query.get("start-after") : fromToken(token) : query.get("marker")) ?? "";
  const show = query.get("encoding-type") === "url"
    ? (key: string) => encodeURIComponent(key).replaceAll("%2F", "/")
    : escape;
  const contents: string[] = [];
  const prefixes: string[] = [];
  let last = after;
  let truncated = false;
  for (const [key, stored] of [...bucket].sort(([a], [b]) => compareBytes(a, b))) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const shown = cut < 0 ? key : key.slice(0, cut + delimiter.length);
    if (compareBytes(shown, after) <= 0 || prefixes.includes(shown)) continue;
    if (contents.length + prefixes.length === max) {
      truncated = true;
      break;
    }
    last = shown;
    if (cut >= 0) prefixes.push(shown);
    else {
      contents.push(element("Contents", {
        Key: show(key),
        LastModified: stored.modified.toISOString(),
        ETag: `&quot;${stored.etag}&quot;`,
        Size: `${stored.content.size}`,
        StorageClass: "STANDARD",
        ...(stored.checksum === null
          ? {}
          : { ChecksumAlgorithm: stored.checksum.algorithm, ChecksumType: stored.checksum.type }),
      }));
    }
  }
  const next: Record<string, string> = truncated
    ? second ? { NextContinuationToken: toToken(last) } : { NextMarker: show(last) }
    : {};
  const head: Record<string, string> = {
    Name: name,
    Prefix: show(prefix),
    ...(delimiter === "" ? {} : { Delimiter: show(delimiter) }),
    MaxKeys: `${max}`,
    IsTruncated: `${truncated}`,
    ...(query.has("encoding-type") ? { EncodingType: "url" } : {}),
    ...(second ? { KeyCount: `${contents.length + prefixes.length}` } : { Marker: show(after) }),
    ...next,
  };
  const common = prefixes.map((shown) => element("CommonPrefixes", { Prefix: show(shown) }));
  return xml(200, element("ListBucketResult", head, contents.join("") + common.join(""), ` xmlns="${NS}"`));
}

function attributes(request: HttpRequest, stored: Stored): HttpReply {
  const wanted = (request.headers.get("x-amz-object-attributes") ?? "").split(",").map((name) => name.trim());
  let inner = "";
  const has = (name: string) => wanted.includes(name);
  if (has("ETag")) inner += `<ETag>${stored.etag}</ETag>`;
  if (has("Checksum") && stored.checksum !== null) {
    const { algorithm, value, type } = stored.checksum;
    inner += element("Checksum", { [`Checksum${algorithm}`]: value, ChecksumType: type });
  }
  if (has("ObjectParts") && stored.parts.length > 0) {
    // As in S3: parts are listed only if they have their own checksums.
    const parts = stored.checksum?.type === "COMPOSITE"
      ? stored.parts.map((size, i) => element("Part", { PartNumber: `${i + 1}`, Size: `${size}` })).join("")
      : "";
    inner += element("ObjectParts", { PartsCount: `${stored.parts.length}`, IsTruncated: "false" }, parts);
  }
  if (has("ObjectSize")) inner += `<ObjectSize>${stored.content.size}</ObjectSize>`;
  if (has("StorageClass")) inner += "<StorageClass>STANDARD</StorageClass>";
  const name = "GetObjectAttributesResponse";
  return xml(200, `<${name} xmlns="${NS}">${inner}</${name}>`, {
    "Last-Modified": stored.modified.toUTCString(),
  });
}

/** Which part of S3 a request is for, and which key. */
export function classifyS3(method: string, url: URL): { role: Role; file: string | null } {
  const { key } = split3(url.pathname);
  if (key === "") return { role: "list", file: null };
  if (method !== "GET" && method !== "HEAD") return { role: "write", file: key };
  return { role: url.searchParams.has("attributes") ? "list" : "object", file: key };
}

/** Splits `/bucket/some/key?query`; dots in the key are kept. */
function split3(target: string): { bucket: string; key: string } {
  const [, bucket = "", key = ""] = /^\/([^/?]*)\/?([^?]*)/.exec(target) ?? [];
  return { bucket: decodeURIComponent(bucket), key: decodeURIComponent(key) };
}

function checksumOf(
  algorithm: ChecksumAlgorithm,
  type: "FULL_OBJECT" | "COMPOSITE",
  whole: Uint8Array,
  pieces: readonly Uint8Array[],
): NonNullable<Stored["checksum"]> {
  const sum = SUMS[algorithm];
  const value = type === "FULL_OBJECT"
    ? base64(sum(whole))
    : `${base64(sum(join(pieces.map(sum))))}-${pieces.length}`;
  return { algorithm, type, value };
}

const SUMS: Readonly<Record<ChecksumAlgorithm, (bytes: Uint8Array) => Uint8Array>> = {
  CRC32: crc32,
  CRC32C: crc32c,
  CRC64NVME: crc64nvme,
  SHA1: (bytes) => createHash("sha1").update(bytes).digest(),
  SHA256: (bytes) => createHash("sha256").update(bytes).digest(),
};

/** The body of a PUT, decoded if it is `aws-chunked`. */
async function readUpload(
  request: HttpRequest,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; trailers: Map<string, string> }> {
  const body = await readAll(request.body);
  const trailers = new Map<string, string>();
  if (!(request.headers.get("x-amz-content-sha256") ?? "").startsWith("STREAMING-")) {
    return { bytes: body, trailers };
  }
  const pieces: Uint8Array[] = [];
  let at = 0;
  const line = () => {
    const end = body.indexOf(10, at);
    const text = new TextDecoder().decode(body.subarray(at, end < 0 ? body.length : end)).trim();
    at = end < 0 ? body.length : end + 1;
    return text;
  };
  for (let size = parseInt(line(), 16); size > 0; size = parseInt(line(), 16)) {
    pieces.push(body.subarray(at, at + size));
    at += size + 2;
  }
  while (at < body.length) {
    const [name = "", value = ""] = line().split(/:(.*)/s);
    if (name !== "") trailers.set(name.toLowerCase(), value.trim());
  }
  return { bytes: join(pieces), trailers };
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece.slice());
  return join(pieces);
}

async function split(content: Content, sizes: readonly number[]): Promise<Uint8Array[]> {
  const whole = await contentBytes(content);
  let at = 0;
  return sizes.map((size) => whole.subarray(at, at += size));
}

function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function md5(...pieces: Uint8Array[]): string {
  const hash = createHash("md5");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

function md5Bytes(piece: Uint8Array): Uint8Array {
  return createHash("md5").update(piece).digest();
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** S3 lists keys in the order of their UTF-8 bytes, which is the order of code points. */
function compareBytes(a: string, b: string): number {
  const [x, y] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (x[i] !== y[i]) return (x[i] ?? 0) - (y[i] ?? 0);
  }
  return x.length - y.length;
}

function toToken(key: string): string {
  return base64(new TextEncoder().encode(key));
}

function fromToken(token: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(token), (c) => c.charCodeAt(0)));
}

function escape(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[&<>"\x00-\x1f]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function unescape(text: string): string {
  const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (all, hex, decimal, name) =>
      name === undefined
        ? String.fromCodePoint(hex === undefined ? Number(decimal) : parseInt(hex, 16))
        : named[name] ?? all,
  );
}

/** An element whose children are already escaped. */
function element(
  name: string,
  children: Readonly<Record<string, string>>,
  more = "",
  attributes = "",
): string {
  const inner = Object.entries(children).map(([child, text]) => `<${child}>${text}</${child}>`).join("");
  return `<${name}${attributes}>${inner}${more}</${name}>`;
}

function xml(status: number, body: string, headers: Readonly<Record<string, string>> = {}): PlainReply {
  const all = { "Content-Type": "application/xml", "x-amz-request-id": "0000000000000001", ...headers };
  return { status, headers: all, body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}` };
}

function failure(status: number, code: string, message: string, resource: string): PlainReply {
  return { ...xml(status, ""), body: errorXml(code, message, resource) };
}

function errorXml(code: string, message: string, resource: string): string {
  const fields = { Code: code, Message: message, Resource: escape(resource), RequestId: "0000000000000001" };
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element("Error", fields)}`;
}

function noBucket(name: string): PlainReply {
  return failure(404, "NoSuchBucket", "The specified bucket does not exist", name);
}
