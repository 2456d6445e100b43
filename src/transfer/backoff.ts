import { backoff } from "../sources/transport/backoff.ts";

/**
 * How failed attempts are repeated: attempts in a row without a single new byte (a byte that arrives resets
 * the count, so a link that is cut every N bytes still finishes), and milliseconds before the second.
 * About half a minute of a dead server.
 */
export const BACKOFF = { attempts: 8, first: 500 } as const;

/** Milliseconds that aim waits at most when a server asks for a wait. */
const LONGEST_RETRY_AFTER = 300_000;

/**
 * Milliseconds to wait before another attempt: exponential, with jitter over its upper half so that
 * connections which failed together do not return together; never sooner than the server asked for.
 *
 * @param failures Failures in a row so far, from 1.
 * @param retryAfter Milliseconds that the server asked for.
 * @param random In [0, 1).
 */
export function backoffDelay(failures: number, retryAfter: number | null, random: number): number {
  const jittered = backoff(failures, random, BACKOFF.first);
  if (retryAfter === null) return jittered;
  return Math.max(jittered, Math.min(retryAfter, LONGEST_RETRY_AFTER) + jittered / 10);
}
