import type { Digest } from "../manifest.ts";

/** What `HEAD` with checksums enabled says about an object. */
export interface ObjectFacts {
  readonly etag: string;
  /** Base64 by algorithm; followed by `-N` if it is over the checksums of N parts. */
  readonly checksums: Readonly<Partial<Record<ChecksumAlgorithm, string>>>;
  /** `null` if the server does not say. */
  readonly checksumType: "FULL_OBJECT" | "COMPOSITE" | null;
  /** Encrypted so that the ETag does not depend on the bytes (SSE-KMS, SSE-C). */
  readonly opaqueEtag: boolean;
}

/** S3's checksums, the strongest first: the SDK's name, and bytes. */
export const CHECKSUMS = {
  sha256: { field: "ChecksumSHA256", bytes: 32 },
  crc64nvme: { field: "ChecksumCRC64NVME", bytes: 8 },
  sha1: { field: "ChecksumSHA1", bytes: 20 },
  crc32c: { field: "ChecksumCRC32C", bytes: 4 },
  crc32: { field: "ChecksumCRC32", bytes: 4 },
} as const;
export type ChecksumAlgorithm = keyof typeof CHECKSUMS;
export const CHECKSUM_ALGORITHMS = Object.keys(CHECKSUMS) as readonly ChecksumAlgorithm[];

/** The MD5 in an ETag of 32 digits, as of an upload in one piece; `null` for any other ETag. */
export function plainMd5(etag: string): Digest | null {
  return /^[0-9a-f]{32}$/i.test(etag) ? { algorithm: "md5", hex: etag.toLowerCase() } : null;
}

/** The number of parts in a multipart ETag; `null` for any other ETag. */
export function multipartCount(etag: string): number | null {
  const count = /^[0-9a-f]{32}-([1-9]\d*)$/i.exec(etag)?.[1];
  return count === undefined ? null : Number(count);
}

/** The strongest stored checksum over the complete object. A composite one is over the parts' checksums. */
export function fullChecksum(facts: ObjectFacts): Digest | null {
  if (facts.checksumType === "COMPOSITE") return null;
  const multipart = multipartCount(facts.etag) !== null;
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const text = facts.checksums[algorithm];
    if (text === undefined || text.includes("-")) continue;
    // For an object in parts, only CRC64NVME is always over the complete object.
    if (multipart && facts.checksumType === null && algorithm !== "crc64nvme") continue;
    const hex = hexOfBase64(text);
    if (hex?.length === CHECKSUMS[algorithm].bytes * 2) return { algorithm, hex };
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
