import type { Digest, DigestAlgorithm } from "../sources/manifest.ts";
import { digestMatches } from "../transfer/hash/digests.ts";
import { type HashPool, hashPool } from "../transfer/hash/hash_pool.ts";
import type { ComputedDigests } from "../transfer/types.ts";

/** Hashes files on disk. */
export interface FileHasher extends Disposable {
  /** @throws The signal's reason; an error for a file that cannot be read. */
  readonly hash: HashPool["hash"];
  /**
   * Checks a file's digest. Returns its digests; `null` if `digest` is not right or the file cannot be read.
   *
   * @param wanted More digests to compute.
   * @throws The signal's reason.
   */
  prove(path: string, digest: Digest, wanted?: readonly DigestAlgorithm[]): Promise<ComputedDigests | null>;
}

/** Threads that hash files. They start with the first file, and end with the hasher or with the signal. */
export function fileHasher(signal?: AbortSignal): FileHasher {
  signal?.throwIfAborted();
  const pool = hashPool();
  const close = () => pool.close();
  signal?.addEventListener("abort", close, { once: true });
  const hash: HashPool["hash"] = async (...file) => {
    signal?.throwIfAborted();
    try {
      return await pool.hash(...file);
    } finally {
      signal?.throwIfAborted();
    }
  };
  return {
    hash,
    async prove(path, digest, wanted = []) {
      const computed = await hash(path, [digest, ...wanted]).catch(() => null);
      signal?.throwIfAborted();
      return computed !== null && digestMatches(digest, computed) ? computed : null;
    },
    [Symbol.dispose]() {
      signal?.removeEventListener("abort", close);
      close();
    },
  };
}
