/** Milliseconds. */
const FIRST = 250;
const LONGEST = 15_000;

/**
 * Milliseconds before another attempt: doubled for each failure, with jitter over the upper half.
 *
 * @param failures In a row, from 1.
 * @param random In [0, 1).
 * @param first Before the second attempt, at most.
 */
export function backoff(failures: number, random: number, first = FIRST): number {
  return Math.min(LONGEST, first * 2 ** (failures - 1)) * (0.5 + random / 2);
}
