import type { HeadObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import { AimError } from "../../errors/aim_error.ts";
import { loadLibrary } from "../../libraries/load_library.ts";
import { log } from "../../log/logger.ts";
import { pathFilter } from "../filter_paths.ts";
import { isBookkeepingPath } from "../bookkeeping_path.ts";
import type { ByteRange, Digest, Manifest, ManifestFile } from "../manifest.ts";
import { type ModelRef, uriOf } from "../model_ref.ts";
import { emptyBody, plainEtag, rangeBody, rangeHeader } from "../range_body.ts";
import { assertSafePath } from "../safe_path.ts";
import { sortedFiles } from "../sorted_files.ts";
import {
  type ManifestOptions,
  type RangeBody,
  type Source,
  SourceChangedError,
  TransientError,
} from "../source.ts";
import type { SourceOptions } from "../source_options.ts";
import { openTransport, type Transport } from "../transport/transport.ts";
import {
  type ChecksumAlgorithm,
  fullChecksum,
  multipartCount,
  type ObjectFacts,
  plainMd5,
} from "./object_digest.ts";
import { evenParts, likelyParts } from "./part_sizes.ts";
import { escapeUri } from "./request_handler.ts";
import { type BucketAccess, openBucket } from "./s3_client.ts";
import { namedRegion, s3Error, type S3Question, type S3Refusal } from "./s3_error.ts";

/** Questions about single objects at once. */
const QUESTIONS = 16;
/** From this size on, bytes, an object is asked about even where its ETag looks like an MD5. */
const ASK_FROM = 8 * 2 ** 20;
/** Parts of an uneven upload that are asked about one by one, at most. */
const UNEVEN_PARTS = 64;

/** What a list says of an object. */
interface Listed {
  readonly key: string;
  readonly path: string;
  readonly size: number;
  readonly etag: string;
}

/** Objects under a prefix on AWS S3, MinIO, Ceph or what else speaks S3. */
export class S3Source implements Source {
  readonly uri: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #options: SourceOptions;
  readonly #transport: Transport;
  #access: Promise<BucketAccess> | undefined;
  /** Keys by the path in the manifest. */
  #keys = new Map<string, string>();
  /** An answer has shown that ETags are not MD5s here, so every object is asked about. */
  #opaqueEtags = false;

  constructor(ref: Extract<ModelRef, { kind: "s3" }>, options: SourceOptions) {
    this.uri = uriOf(ref);
    this.#bucket = ref.bucket;
    this.#prefix = ref.prefix;
    this.#options = options;
    this.#transport = openTransport({ ...options, connections: options.jobs });
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    if (options.revision !== undefined) {
      throw new AimError(
        "usage",
        `revision ${JSON.stringify(options.revision)} does not go with ${this.uri}`,
        {
          hint: "leave --revision out: S3 has none",
        },
      );
    }
    const { signal } = options;
    const all = await this.#list(signal);
    const listed = all.length > 0 ? all : await this.#single(signal);
    if (listed.length === 0) {
      throw new AimError("not-found", `there is nothing under ${this.uri}/`, { hint: "check the name" });
    }
    const wanted = pathFilter(options.include ?? [], options.exclude ?? []);
    const chosen = listed.filter(({ path }) => !isBookkeepingPath(path) && wanted(path));
    for (const { path } of chosen) assertSafePath(path, this.uri);
    const digests = await this.#digests(chosen, signal);
    const files = sortedFiles(
      chosen.map(({ path, size, etag }, i): ManifestFile => ({
        path: assertSafePath(path, this.uri),
        size,
        etag,
        digest: digests[i] ?? null,
      })),
      this.uri,
    );
    this.#keys = new Map(chosen.map(({ path, key }) => [path, key]));
    return { source: this.uri, revision: null, commit: null, files };
  }

  async read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody> {
    if (file.size === 0) return { range: { start: 0, end: 0 }, body: emptyBody() };
    const access = await this.#bucketAccess();
    const { url, headers } = await this.#request(access, file, range);
    const response = await this.#transport.fetch(url, { headers, signal });
    if (!response.ok) throw await this.#refused(response, access, file.path);
    return await this.#data(response, file, range);
  }

  async #request(
    access: BucketAccess,
    file: ManifestFile,
    range: ByteRange | null,
  ): Promise<{ url: URL; headers: Readonly<Record<string, string>> }> {
    const key = this.#keys.get(file.path);
    if (key === undefined) throw new Error(`${this.uri}: ${file.path} is not in its manifest`);
    const url = new URL(access.base.href + key.split("/").map(escapeUri).join("/"));
    const signed = await access.signedHeaders(url, { ...rangeHeader(range), "if-match": `"${file.etag}"` });
    // Not signed: proxies may change it.
    return { url, headers: { ...signed, "accept-encoding": "identity" } };
  }

  async #data(response: Response, file: ManifestFile, range: ByteRange | null): Promise<RangeBody> {
    if (isMd5(file.digest) && encryptedOpaquely(response.headers)) {
      await response.body?.cancel();
      this.#opaqueEtags = true;
      throw new SourceChangedError(file.path, `${file.path} is encrypted, its ETag is not its MD5`);
    }
    return await rangeBody(response, file, range, plainEtag(response.headers.get("etag")));
  }

  close(): void {
    this.#transport.close();
    this.#access?.then(({ client }) => client.destroy(), () => {});
  }

  #bucketAccess(region?: string): Promise<BucketAccess> {
    if (this.#access === undefined || region !== undefined) {
      this.#access = openBucket(this.#bucket, this.#options.env, this.#transport, region);
    }
    return this.#access;
  }

  /** Every page of what lies under the prefix, taken as a directory. */
  async #list(signal: AbortSignal | undefined): Promise<Listed[]> {
    const { ListObjectsV2Command } = await loadLibrary("aws_s3");
    const directory = this.#prefix === "" ? "" : `${this.#prefix}/`;
    const listed: Listed[] = [];
    let token: string | undefined;
    while (true) {
      const page = await this.#ask(null, signal, (client, abort) =>
        client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: directory,
            // Else a key with a control character makes the whole answer unreadable.
            EncodingType: "url",
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          abort,
        ));
      const decode = page.EncodingType === "url" ? decodeKey : (text: string) => text;
      for (const { Key, Size, ETag } of page.Contents ?? []) {
        const key = decode(Key ?? "");
        if (!key.startsWith(directory) || Size === undefined) throw this.#odd(`lists ${JSON.stringify(key)}`);
        const path = key.slice(directory.length);
        // What consoles create as folders.
        if (Size === 0 && (path === "" || path.endsWith("/"))) continue;
        listed.push({ key, path, size: Size, etag: plainEtag(ETag ?? null) ?? "" });
      }
      if (!page.IsTruncated) return listed;
      const next = page.NextContinuationToken;
      if (next === undefined || next === token) throw this.#odd("does not say how its list goes on");
      token = next;
    }
  }

  /** The one object that the prefix names exactly, as a model of one file. */
  async #single(signal: AbortSignal | undefined): Promise<Listed[]> {
    if (this.#prefix === "") return [];
    try {
      const head = await this.#head(this.#prefix, signal);
      const path = this.#prefix.split("/").at(-1) ?? "";
      const etag = plainEtag(head.ETag ?? null) ?? "";
      return [{ key: this.#prefix, path, size: head.ContentLength ?? 0, etag }];
    } catch (error) {
      // Without the right to list, S3 says 403 of what is not there.
      if (error instanceof AimError && (error.kind === "not-found" || error.kind === "unauthorized")) {
        return [];
      }
      throw error;
    }
  }

  /**
   * Digests in the order of the objects. Small objects with a plain ETag are taken by the list's word, so that thousands of them need
   * no request each; large ones and multipart ones are asked about. Where that shows ETags to be no MD5s, all are.
   */
  async #digests(objects: readonly Listed[], signal: AbortSignal | undefined): Promise<(Digest | null)[]> {
    const digests: (Digest | null)[] = objects.map(({ etag }) => plainMd5(etag));
    const asked = new Set<number>();
    const ask = async (indices: readonly number[]) => {
      for (const index of indices) asked.add(index);
      await eachOf(indices, QUESTIONS, async (index) => {
        const object = objects[index];
        if (object !== undefined) digests[index] = await this.#digestOf(object, signal);
      });
    };
    const largest = objects.reduce((best, { size }, i) => size > (objects[best]?.size ?? -1) ? i : best, 0);
    await ask(
      [...objects.keys()].filter((i) => {
        const object = objects[i];
        return object !== undefined && object.size > 0 &&
          (i === largest || object.size >= ASK_FROM || digests[i] === null);
      }),
    );
    if (this.#opaqueEtags) {
      await ask([...objects.keys()].filter((i) => !asked.has(i) && (objects[i]?.size ?? 0) > 0));
    }
    const unproven = objects.filter(({ size }, i) => size > 0 && digests[i] === null);
    if (unproven.length > 0) {
      log.warn(
        `${this.uri}: ${unproven.length} of ${objects.length} files have no digest there, only their size is checked`,
        {
          example: unproven[0]?.path,
        },
      );
    }
    return digests;
  }

  async #digestOf(object: Listed, signal: AbortSignal | undefined): Promise<Digest | null> {
    const head = await this.#head(object.key, signal);
    const facts = factsOf(head, object.etag);
    if (facts.opaqueEtag) this.#opaqueEtags = true;
    const checksum = fullChecksum(facts);
    if (checksum !== null) return checksum;
    if (facts.opaqueEtag) return null;
    const count = multipartCount(object.etag);
    return count === null ? plainMd5(object.etag) : await this.#multipartDigest(object, count, signal);
  }

  /** A multipart ETag proves the bytes once the parts' sizes are known: the server's word for them, else likely ones. */
  async #multipartDigest(
    object: Listed,
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<Digest | null> {
    const { size, etag } = object;
    const digest = (partSizes: readonly number[], others?: readonly (readonly number[])[]): Digest => ({
      algorithm: "multipart-md5",
      hex: etag.slice(0, 32).toLowerCase(),
      partSizes,
      ...(others === undefined ? {} : { otherPartSizes: others }),
    });
    if (count === 1) return digest([size]);
    const first = await this.#head(object.key, signal, 1);
    // A server that does not know parts answers for all of the object.
    if (first.PartsCount === count && first.ContentLength !== undefined) {
      const even = evenParts(size, first.ContentLength);
      if (even.length === count) return digest(even);
      if (count > UNEVEN_PARTS) return null;
      const sizes = [first.ContentLength];
      for (let part = 2; part <= count; part++) {
        sizes.push((await this.#head(object.key, signal, part)).ContentLength ?? 0);
      }
      return sizes.reduce((sum, n) => sum + n, 0) === size ? digest(sizes) : null;
    }
    const [best, ...others] = likelyParts(size, count);
    return best === undefined ? null : digest(best, others);
  }

  async #head(key: string, signal: AbortSignal | undefined, part?: number): Promise<HeadObjectCommandOutput> {
    const { HeadObjectCommand } = await loadLibrary("aws_s3");
    return await this.#ask(key, signal, (client, abort) =>
      client.send(
        new HeadObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          ...(part === undefined ? { ChecksumMode: "ENABLED" } : { PartNumber: part }),
        }),
        abort,
      ));
  }

  /** Asks by the SDK: once more where the server names the bucket's region, or the clock was wrong. */
  async #ask<T>(
    key: string | null,
    signal: AbortSignal | undefined,
    send: (client: S3Client, options: { abortSignal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const abort = signal === undefined ? {} : { abortSignal: signal };
    for (let attempt = 1;; attempt++) {
      const access = await this.#bucketAccess();
      try {
        return await send(access.client, abort);
      } catch (error) {
        if (error instanceof AimError || signal?.aborted) throw error;
        const refusal = refusalOf(error);
        if (refusal === null) throw this.#odd(error instanceof Error ? error.message : String(error), error);
        const region = namedRegion(refusal, errorRegion(error));
        const elsewhere = region !== null && region !== access.region && refusal.status >= 300;
        // The SDK has taken the server's time from the answer already.
        const skewed = refusal.code === "RequestTimeTooSkewed" ||
          refusal.status === 403 && clockIsOff(refusal.headers);
        if (attempt > 2 || !(elsewhere || skewed)) throw this.#metadataError(refusal, access, key);
        if (elsewhere) await this.#bucketAccess(region);
        else access.correctClock(serverTime(refusal.headers) ?? Date.now());
      }
    }
  }

  #metadataError(refusal: S3Refusal, access: BucketAccess, key: string | null): Error {
    const error = s3Error(refusal, this.#question(access, null));
    if (error instanceof TransientError) {
      return new AimError("network", error.message, { hint: "run again later", cause: error });
    }
    if (key !== null && error instanceof AimError && error.kind === "unauthorized") {
      return new AimError(error.kind, `${error.message} (${JSON.stringify(key)})`, {
        hint: error.hint ?? "",
        cause: error,
      });
    }
    return error;
  }

  async #refused(response: Response, access: BucketAccess, path: string): Promise<Error> {
    const body = await response.text().catch(() => "");
    const code = /<Code>([A-Za-z0-9.]+)<\/Code>/.exec(body)?.[1] ?? null;
    const refusal = { status: response.status, code, headers: response.headers };
    if (code === "RequestTimeTooSkewed") access.correctClock(serverTime(response.headers) ?? Date.now());
    return s3Error(refusal, this.#question(access, path));
  }

  #question(access: BucketAccess, path: string | null): S3Question {
    return { bucket: this.#bucket, uri: this.uri, host: access.base.host, path, anonymous: access.anonymous };
  }

  #odd(what: string, cause?: unknown): AimError {
    return new AimError(
      "network",
      `${this.uri}: the server's answer is not understood: ${what.split("\n")[0]}`,
      {
        hint: "check AWS_ENDPOINT_URL",
        cause,
      },
    );
  }
}

/** Keys in a list with `encoding-type=url`: AWS writes a space as `+`, Ceph as `%20`; a plus is `%2B` in both. */
function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    // Bytes that are no UTF-8: a name that no check lets pass.
    return `${text}\0`;
  }
}

function factsOf(head: HeadObjectCommandOutput, etag: string): ObjectFacts {
  const checksums: Partial<Record<ChecksumAlgorithm, string>> = {};
  const given: [ChecksumAlgorithm, string | undefined][] = [
    ["sha256", head.ChecksumSHA256],
    ["crc64nvme", head.ChecksumCRC64NVME],
    ["sha1", head.ChecksumSHA1],
    ["crc32c", head.ChecksumCRC32C],
    ["crc32", head.ChecksumCRC32],
  ];
  for (const [algorithm, value] of given) if (value !== undefined) checksums[algorithm] = value;
  return {
    etag,
    checksums,
    checksumType: head.ChecksumType ?? null,
    opaqueEtag: (head.ServerSideEncryption ?? "").startsWith("aws:") ||
      head.SSECustomerAlgorithm !== undefined,
  };
}

function isMd5(digest: Digest | null): boolean {
  return digest?.algorithm === "md5" || digest?.algorithm === "multipart-md5";
}

function encryptedOpaquely(headers: Pick<Headers, "get" | "has">): boolean {
  return (headers.get("x-amz-server-side-encryption") ?? "").startsWith("aws:") ||
    headers.has("x-amz-server-side-encryption-customer-algorithm");
}

/** The refusal in what the SDK throws; `null` where it is something else. */
function refusalOf(error: unknown): S3Refusal | null {
  if (!(error instanceof Error)) return null;
  const { name, $metadata, $response } = error as Error & {
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
  };
  const status = $metadata?.httpStatusCode;
  if (status === undefined || status < 300) return null;
  // Of an answer without a body (HEAD) the SDK makes a name of its own.
  const code = /^(NotFound|Unknown|UnknownError|Error|\d+)$/.test(name) ? null : name;
  return { status, code, headers: new Headers($response?.headers ?? {}) };
}

/** The region in the body of a refusal, as the SDK puts it on the error. */
function errorRegion(error: unknown): string {
  const { Region } = error as { Region?: unknown };
  return typeof Region === "string" ? `<Region>${Region}</Region>` : "";
}

function serverTime(headers: Pick<Headers, "get">): number | null {
  const time = Date.parse(headers.get("date") ?? "");
  return Number.isNaN(time) ? null : time;
}

/** S3 allows a quarter of an hour. */
function clockIsOff(headers: Pick<Headers, "get">): boolean {
  const time = serverTime(headers);
  return time !== null && Math.abs(time - Date.now()) > 14 * 60_000;
}

/** Runs a job for each, so many at once; the first failure ends it. */
async function eachOf<T>(items: readonly T[], limit: number, job: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const failure = new AbortController();
  const worker = async () => {
    for (const item of rest) {
      if (failure.signal.aborted) return;
      await job(item);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  } catch (error) {
    failure.abort();
    throw error;
  }
}
