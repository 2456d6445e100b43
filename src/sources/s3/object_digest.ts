import type { Digest } from "../manifest.ts";

/** What `HEAD` with checksums enabled says of an object. */
export interface ObjectFacts {
  readonly etag: string;
  /** Base64 by algorithm; with `-N` behind it where it is made of the parts' checksums. */
  readonly checksums: Readonly<Partial<Record<ChecksumAlgorithm, string>>>;
  /** `null` where the server does not say. */
  readonly checksumType: "FULL_OBJECT" | "COMPOSITE" | null;
  /** Encrypted in a way that makes the ETag say nothing of the bytes (SSE-KMS, SSE-C). */
  readonly opaqueEtag: boolean;
}

export type ChecksumAlgorithm = "sha256" | "crc64nvme" | "sha1" | "crc32c" | "crc32";

/** The strongest first. */
export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = [
  "sha256",
  "crc64nvme",
  "sha1",
  "crc32c",
  "crc32",
];

const DIGEST_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  sha256: 32,
  crc64nvme: 8,
  sha1: 20,
  crc32c: 4,
  crc32: 4,
};

/** MD5 from an ETag that is one: 32 digits, as of an upload in one piece. */
export function plainMd5(etag: string): Digest | null {
  return /^[0-9a-f]{32}$/i.test(etag) ? { algorithm: "md5", hex: etag.toLowerCase() } : null;
}

/** Number of parts that a multipart ETag names; `null` for any other ETag. */
export function multipartCount(etag: string): number | null {
  const count = /^[0-9a-f]{32}-([1-9]\d*)$/i.exec(etag)?.[1];
  return count === undefined ? null : Number(count);
}

/**
 * The checksum over all of the object, where one is stored; a composite one, over the parts' checksums, is
 * not.
 */
export function fullChecksum(facts: ObjectFacts): Digest | null {
  if (facts.checksumType === "COMPOSITE") return null;
  const multipart = multipartCount(facts.etag) !== null;
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const text = facts.checksums[algorithm];
    if (text === undefined || text.includes("-")) continue;
    // Of an object in parts, only CRC64NVME is always over all of it.
    if (multipart && facts.checksumType === null && algorithm !== "crc64nvme") continue;
    const hex = hexOfBase64(text);
    if (hex?.length === DIGEST_BYTES[algorithm] * 2) return { algorithm, hex };
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
