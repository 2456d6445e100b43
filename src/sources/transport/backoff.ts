import { LONGEST_WAIT } from "./asked_wait.ts";

/** Milliseconds. */
const LONGEST = 15_000;

/**
 * Milliseconds before another attempt: doubled for each failure, with jitter over the upper half so that
 * connections that failed together do not retry together; never less than the server asked for.
 *
 * @param failures In a row, from 1.
 * @param random In [0, 1).
 * @param first Maximum milliseconds before the second attempt.
 * @param asked Milliseconds that the server asked to wait.
 */
export function backoff(failures: number, random: number, first: number, asked: number | null): number {
  const own = Math.min(LONGEST, first * 2 ** (failures - 1)) * (0.5 + random / 2);
  return asked === null ? own : Math.max(own, Math.min(asked, LONGEST_WAIT) + own / 10);
}
