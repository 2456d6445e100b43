import type { Digest, DigestAlgorithm } from "../sources/manifest.ts";
import { digestMatches } from "../transfer/hash/digests.ts";
import { type HashPool, hashPool } from "../transfer/hash/hash_pool.ts";
import type { ComputedDigests } from "../transfer/types.ts";

/** Checks digests of files. Its threads start with the first file. */
export interface FileProver {
  /** The file's digests; `null` if `digest` is not right or the file cannot be read. @param wanted More digests to compute. */
  prove(path: string, digest: Digest, wanted?: readonly DigestAlgorithm[]): Promise<ComputedDigests | null>;
}

/**
 * Calls `run` with a prover.
 *
 * @throws The signal's reason; what `run` throws.
 */
export async function withProver<T>(
  signal: AbortSignal | undefined,
  run: (prover: FileProver) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  // Most calls hash nothing.
  let pool: HashPool | undefined;
  const close = () => pool?.close();
  signal?.addEventListener("abort", close, { once: true });
  try {
    return await run({
      async prove(path, digest, wanted = []) {
        signal?.throwIfAborted();
        pool ??= hashPool();
        try {
          const computed = await pool.hash(path, [digest, ...wanted]);
          return digestMatches(digest, computed) ? computed : null;
        } catch {
          signal?.throwIfAborted();
          return null;
        }
      },
    });
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}
