/** How failed attempts are repeated. */
export interface BackoffPolicy {
  /** Attempts in a row without a single new byte. A byte that arrives starts the count anew: a link cut every N bytes still finishes. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; doubled for each further one. */
  readonly first: number;
  /** Milliseconds. */
  readonly most: number;
}

/** About half a minute of a dead server. */
export const BACKOFF: BackoffPolicy = { attempts: 8, first: 500, most: 15_000 };

/** A server that asks for more than this is not waited for longer. Milliseconds. */
const LONGEST_RETRY_AFTER = 300_000;

/**
 * Milliseconds to wait before another attempt: exponential, with jitter over its upper half so that connections which failed together
 * do not return together; never sooner than the server asked for.
 *
 * @param failures Failures in a row so far, from 1.
 * @param retryAfter Milliseconds that the server asked for.
 * @param random In [0, 1).
 */
export function backoffDelay(
  failures: number,
  retryAfter: number | null,
  random: number,
  policy: BackoffPolicy = BACKOFF,
): number {
  const full = Math.min(policy.most, policy.first * 2 ** (failures - 1));
  const jittered = full * (0.5 + random / 2);
  if (retryAfter === null) return jittered;
  return Math.max(jittered, Math.min(retryAfter, LONGEST_RETRY_AFTER) + jittered / 10);
}
