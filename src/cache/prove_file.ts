import type { Digest, DigestAlgorithm } from "../sources/mod.ts";
import { type ComputedDigests, digestMatches, type HashPool } from "../transfer/mod.ts";

/**
 * Hashes a file and compares. Returns its digests where it is what the digest says; `null` where it is not, or cannot be read.
 *
 * @param wanted Further digests to compute.
 */
export async function proveFile(
  pool: HashPool,
  path: string,
  digest: Digest,
  wanted: readonly DigestAlgorithm[] = [],
): Promise<ComputedDigests | null> {
  try {
    const computed = await pool.hash(path, [digest, ...wanted]);
    return digestMatches(digest, computed) ? computed : null;
  } catch {
    return null;
  }
}
