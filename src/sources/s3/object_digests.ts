import { eachOf } from "../each_of.ts";
import type { Digest } from "../manifest.ts";
import { plainEtag } from "../range_body.ts";
import type { ListedObject } from "./list_objects.ts";
import { evenParts, likelyParts } from "./part_sizes.ts";
import type { S3Bucket } from "./s3_bucket.ts";

/** Maximum parallel requests for single objects. */
const QUESTIONS = 16;
/** Objects of at least this many bytes get a request even if their ETag looks like an MD5. */
const ASK_FROM = 8 * 2 ** 20;
/** Maximum parts of an uneven upload, each of which takes a request. */
const UNEVEN_PARTS = 64;

export type ProvenObject = ListedObject & { readonly digest: Digest | null };

/**
 * Returns the objects, in order, with their digests. The plain ETag of a small object is used as its MD5;
 * all others get a request. So do small objects if ETags are not MD5s, by `opaqueEtags` or a response.
 */
export async function proveObjects(
  bucket: S3Bucket,
  objects: readonly ListedObject[],
  opaqueEtags: boolean,
  signal: AbortSignal | undefined,
): Promise<ProvenObject[]> {
  const proven = new Map<ListedObject, ProvenObject>();
  let isOpaque = opaqueEtags;
  const prove = (some: readonly ListedObject[]) =>
    eachOf(some, async (object) => {
      const head = await bucket.head(object.key, signal) ?? new Headers();
      if (hasOpaqueEtag(head)) isOpaque = true;
      const etag = object.etag ?? plainEtag(head.get("etag"));
      const isProof = etag !== null && !hasOpaqueEtag(head);
      const digest = fullChecksum(head, etag) ??
        (isProof ? await etagDigest(bucket, object, etag, signal) : null);
      proven.set(object, { ...object, etag, digest });
    }, QUESTIONS);
  const filled = objects.filter(({ size }) => size > 0);
  const [largest] = filled.toSorted((a, b) => b.size - a.size);
  await prove(filled.filter((one) => one === largest || one.size >= ASK_FROM || plainMd5(one.etag) === null));
  if (isOpaque) await prove(filled.filter((object) => !proven.has(object)));
  return objects.map((object) => proven.get(object) ?? { ...object, digest: plainMd5(object.etag) });
}

/** The digest in an ETag. A multipart ETag needs the sizes of the parts, from the server or guessed. */
async function etagDigest(
  bucket: S3Bucket,
  { key, size }: ListedObject,
  etag: string,
  signal: AbortSignal | undefined,
): Promise<Digest | null> {
  const count = multipartCount(etag);
  if (count === null) return plainMd5(etag);
  const digest = { algorithm: "multipart-md5", hex: etag.slice(0, 32).toLowerCase() } as const;
  if (count === 1) return { ...digest, partSizes: [size] };
  const sizeOf = async (part: number) => {
    const head = await bucket.head(key, signal, { part });
    // A server that does not support part numbers returns the headers of the complete object.
    return head?.get("x-amz-mp-parts-count") === `${count}` ? Number(head.get("content-length")) : 0;
  };
  const first = await sizeOf(1);
  if (first > 0) {
    const even = evenParts(size, first);
    if (even.length === count) return { ...digest, partSizes: even };
    if (count > UNEVEN_PARTS) return null;
    const partSizes = [first];
    while (partSizes.length < count) partSizes.push(await sizeOf(partSizes.length + 1));
    return partSizes.reduce((sum, n) => sum + n, 0) === size ? { ...digest, partSizes } : null;
  }
  const [partSizes, ...otherPartSizes] = likelyParts(size, count);
  return partSizes === undefined ? null : { ...digest, partSizes, otherPartSizes };
}

/** True if the ETag does not depend on the bytes alone: with SSE-KMS and SSE-C. */
export function hasOpaqueEtag(headers: Headers): boolean {
  return (headers.get("x-amz-server-side-encryption") ?? "").startsWith("aws:") ||
    headers.has("x-amz-server-side-encryption-customer-algorithm");
}

/** The MD5 in an ETag of 32 digits, from an upload in one piece; `null` for any other ETag. */
export function plainMd5(etag: string | null): Digest | null {
  return /^[0-9a-f]{32}$/i.test(etag ?? "") ? { algorithm: "md5", hex: (etag ?? "").toLowerCase() } : null;
}

/** The number of parts in a multipart ETag; `null` for any other ETag. */
export function multipartCount(etag: string): number | null {
  const count = /^[0-9a-f]{32}-([1-9]\d*)$/i.exec(etag)?.[1];
  return count === undefined ? null : Number(count);
}

/** S3's checksums, the strongest first, and their bytes. */
const CHECKSUMS = [["sha256", 32], ["crc64nvme", 8], ["sha1", 20], ["crc32c", 4], ["crc32", 4]] as const;

/**
 * The strongest stored checksum over the complete object. Checksums are in base64; one that ends in `-N` is
 * over the checksums of N parts.
 */
export function fullChecksum(head: Headers, etag: string | null): Digest | null {
  const type = head.get("x-amz-checksum-type");
  if (type === "COMPOSITE") return null;
  const multipart = multipartCount(etag ?? "") !== null;
  for (const [algorithm, bytes] of CHECKSUMS) {
    const text = head.get(`x-amz-checksum-${algorithm}`);
    if (text === null || text.includes("-")) continue;
    // For an object in parts, only CRC64NVME is always over the complete object.
    if (multipart && type === null && algorithm !== "crc64nvme") continue;
    const hex = hexOfBase64(text);
    if (hex?.length === bytes * 2) return { algorithm, hex };
  }
  return null;
}

function hexOfBase64(text: string): string | null {
  try {
    return Uint8Array.fromBase64(text).toHex();
  } catch {
    return null;
  }
}
