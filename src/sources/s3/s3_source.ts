import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { pathFilter } from "../filter_paths.ts";
import type { ByteRange, Manifest, ManifestFile } from "../manifest.ts";
import { type S3Ref, uriOf } from "../model_ref.ts";
import { plainEtag, rangeBody, rangeHeader } from "../range_body.ts";
import { sortedFiles } from "../sorted_files.ts";
import { type ManifestOptions, type RangeBody, type Source, SourceChangedError } from "../source.ts";
import type { SourceOptions } from "../source_options.ts";
import { Transport } from "../transport/transport.ts";
import { type ListedObject, listObjects } from "./list_objects.ts";
import { hasOpaqueEtag, proveObjects } from "./object_digests.ts";
import { S3Bucket } from "./s3_bucket.ts";
import { s3Settings } from "./s3_settings.ts";

/** Objects under a prefix on AWS S3, MinIO, Ceph or another S3 server. */
export class S3Source implements Source {
  readonly uri: string;
  readonly #prefix: string;
  readonly #transport: Transport;
  readonly #bucket: S3Bucket;
  /** Objects by path in the manifest. */
  #known = new Map<string, Pick<ListedObject, "key" | "etag">>();
  /** The server supports `If-Match`. */
  #takesIfMatch = true;
  /** ETags are not MD5s, as with encryption. */
  #opaqueEtags = false;

  /** @throws {AimError} `usage` or `unauthorized`, as {@linkcode s3Settings}. */
  constructor(ref: S3Ref, options: SourceOptions) {
    const settings = s3Settings(options.env);
    this.uri = uriOf(ref);
    this.#prefix = ref.prefix;
    this.#transport = new Transport({ ...options, env: settings.env, verifyTls: settings.verifyTls });
    this.#bucket = new S3Bucket(ref.bucket, this.uri, settings, this.#transport);
  }

  async manifest(options: ManifestOptions = {}): Promise<Manifest> {
    const { wanted = pathFilter(), signal } = options;
    const objects = await this.#objects(signal);
    if (!objects.some(({ size }) => size > 0)) {
      throw new AimError("not-found", `No objects found at ${this.uri}`, { hint: "check the name" });
    }
    const chosen = objects.filter(({ path }) => wanted(path));
    const proven = await proveObjects(this.#bucket, chosen, this.#opaqueEtags, signal);
    this.#known = new Map(proven.map((object) => [object.path, object]));
    const files = sortedFiles(
      proven.map(({ path, size, etag, modified, digest }) => ({
        path,
        size,
        etag: etag ?? `${modified ?? ""}-${size}`,
        digest,
      })),
      this.uri,
    );
    return { source: this.uri, revision: null, commit: null, files };
  }

  async read(file: ManifestFile, range: ByteRange | null, signal: AbortSignal): Promise<RangeBody> {
    const known = this.#known.get(file.path);
    if (known === undefined) throw new Error(`${this.uri}: ${file.path} is not in its manifest`);
    const response = await this.#get(file, known, range, signal);
    if (file.digest?.algorithm.endsWith("md5") && hasOpaqueEtag(response.headers)) {
      await response.body?.cancel();
      this.#opaqueEtags = true;
      throw new SourceChangedError(`${file.path} is encrypted, so its ETag is not its MD5`);
    }
    const etag = known.etag === null ? null : plainEtag(response.headers.get("etag"));
    return await rangeBody(response, file, range, etag);
  }

  [Symbol.dispose](): void {
    this.#transport.close();
  }

  async #get(
    file: ManifestFile,
    { key, etag }: Pick<ListedObject, "key" | "etag">,
    range: ByteRange | null,
    signal: AbortSignal,
  ): Promise<Response> {
    const request = { method: "GET", key, path: file.path, headers: rangeHeader(range), signal } as const;
    if (etag === null || !this.#takesIfMatch) return await this.#bucket.send(request);
    try {
      return await this.#bucket.send({
        ...request,
        headers: { ...request.headers, "if-match": `"${etag}"` },
      });
    } catch (error) {
      if (!(error instanceof SourceChangedError)) throw error;
      const head = await this.#bucket.head(key, signal);
      const isUnchanged = Number(head?.get("content-length")) === file.size &&
        plainEtag(head?.get("etag") ?? null) === etag;
      if (!isUnchanged) throw error;
      log.debug("the server refuses If-Match although nothing has changed", { file: file.path });
      // The response's own ETag is still compared.
      this.#takesIfMatch = false;
      return await this.#bucket.send(request);
    }
  }

  /** The objects under the prefix as a directory, else the one object with exactly that key. */
  async #objects(signal: AbortSignal | undefined): Promise<ListedObject[]> {
    // An empty part of the prefix is a typo unless such keys exist.
    const prefixes = new Set([this.#prefix, this.#prefix.split("/").filter((part) => part !== "").join("/")]);
    for (const prefix of prefixes) {
      const objects = await listObjects(this.#bucket, prefix === "" ? "" : `${prefix}/`, signal);
      if (objects.length > 0) return objects;
      const single = prefix === "" ? null : await this.#bucket.head(prefix, signal, { denied: true });
      if (single === null) continue;
      const size = Number(single.get("content-length"));
      const etag = plainEtag(single.get("etag"));
      const path = prefix.split("/").at(-1) ?? "";
      return [{ key: prefix, path, size, etag, modified: single.get("last-modified") }];
    }
    return [];
  }
}
