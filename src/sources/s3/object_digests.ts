import { eachOf } from "../each_of.ts";
import type { HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import type { Digest } from "../manifest.ts";
import { plainEtag } from "../range_body.ts";
import type { ListedObject } from "./list_objects.ts";
import {
  CHECKSUM_ALGORITHMS,
  type ChecksumAlgorithm,
  CHECKSUMS,
  fullChecksum,
  multipartCount,
  type ObjectFacts,
  plainMd5,
} from "./object_digest.ts";
import { evenParts, likelyParts } from "./part_sizes.ts";
import type { S3Bucket } from "./s3_bucket.ts";

/** Maximum parallel requests for single objects. */
const QUESTIONS = 16;
/** Objects of at least so many bytes get a request even if their ETag looks like an MD5. */
const ASK_FROM = 8 * 2 ** 20;
/** Maximum parts of an uneven upload, which take a request each. */
const UNEVEN_PARTS = 64;

/** What proves an object's bytes. */
export interface ObjectProof {
  readonly digest: Digest | null;
  /** `null` if the server has none. */
  readonly etag: string | null;
}

/** Finds the digests of listed objects. */
export class ObjectDigests {
  readonly #bucket: S3Bucket;
  /** An answer has shown that ETags are not MD5s here, so every object gets a request. */
  #opaqueEtags = false;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  /** From now on, ETags are not used as MD5s. */
  distrustEtags(): void {
    this.#opaqueEtags = true;
  }

  /**
   * Returns proofs in the order of the objects. The plain ETag of a small object is used as its MD5, so that
   * thousands of small objects need no requests; large objects, multipart ones and those without an ETag get a
   * request each. If an answer shows that ETags are not MD5s, all get one.
   */
  async of(objects: readonly ListedObject[], signal: AbortSignal | undefined): Promise<ObjectProof[]> {
    const proofs: ObjectProof[] = objects.map(({ etag }) => ({
      etag,
      digest: etag === null ? null : plainMd5(etag),
    }));
    const asked = new Set<number>();
    const ask = async (indices: readonly number[]) => {
      for (const index of indices) asked.add(index);
      await eachOf(indices, async (index) => {
        const object = objects[index];
        if (object !== undefined) proofs[index] = await this.#ask(object, signal);
      }, QUESTIONS);
    };
    const largest = objects.reduce((best, { size }, i) => size > (objects[best]?.size ?? -1) ? i : best, 0);
    const filled = [...objects.entries()].filter(([, { size }]) => size > 0);
    await ask(
      filled.filter(([i, { size }]) => i === largest || size >= ASK_FROM || proofs[i]?.digest === null)
        .map(([i]) => i),
    );
    if (this.#opaqueEtags) await ask(filled.map(([i]) => i).filter((i) => !asked.has(i)));
    return proofs;
  }

  async #ask(object: ListedObject, signal: AbortSignal | undefined): Promise<ObjectProof> {
    const head = await this.#bucket.head(object.key, signal);
    if (head === null) return { etag: object.etag, digest: null };
    const etag = object.etag ?? plainEtag(head.ETag ?? null);
    const facts = factsOf(head, etag ?? "");
    if (facts.opaqueEtag) this.#opaqueEtags = true;
    const checksum = fullChecksum(facts);
    if (checksum !== null) return { etag, digest: checksum };
    if (facts.opaqueEtag || etag === null) return { etag, digest: null };
    const count = multipartCount(etag);
    const digest = count === null
      ? plainMd5(etag)
      : await this.#multipart({ ...object, etag }, count, signal);
    return { etag, digest };
  }

  /** A multipart ETag proves the bytes if the parts' sizes are known: from the server, else the likely ones. */
  async #multipart(
    { key, size, etag }: ListedObject & { etag: string },
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<Digest | null> {
    const digest = (partSizes: readonly number[], others?: readonly (readonly number[])[]): Digest => ({
      algorithm: "multipart-md5",
      hex: etag.slice(0, 32).toLowerCase(),
      partSizes,
      ...(others === undefined ? {} : { otherPartSizes: others }),
    });
    if (count === 1) return digest([size]);
    const first = await this.#bucket.head(key, signal, { part: 1 });
    // A server without part numbers answers for the complete object.
    if (first?.PartsCount === count && first.ContentLength !== undefined && first.ContentLength > 0) {
      const even = evenParts(size, first.ContentLength);
      if (even.length === count) return digest(even);
      if (count > UNEVEN_PARTS) return null;
      const sizes = [first.ContentLength];
      for (let part = 2; part <= count; part++) {
        sizes.push((await this.#bucket.head(key, signal, { part }))?.ContentLength ?? 0);
      }
      return sizes.reduce((sum, n) => sum + n, 0) === size ? digest(sizes) : null;
    }
    const [best, ...others] = likelyParts(size, count);
    return best === undefined ? null : digest(best, others);
  }
}

function factsOf(head: HeadObjectCommandOutput, etag: string): ObjectFacts {
  const checksums: Partial<Record<ChecksumAlgorithm, string>> = {};
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = head[CHECKSUMS[algorithm].field];
    if (value !== undefined) checksums[algorithm] = value;
  }
  return {
    etag,
    checksums,
    checksumType: head.ChecksumType ?? null,
    opaqueEtag: (head.ServerSideEncryption ?? "").startsWith("aws:") ||
      head.SSECustomerAlgorithm !== undefined,
  };
}
