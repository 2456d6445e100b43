import type { Clock } from "./types.ts";

/** Resolves when this many bytes may be taken; in the order of the calls. */
export type TakeBytes = (bytes: number, signal: AbortSignal) => Promise<void>;

/**
 * Limits the bytes per second of all connections together, by a bucket with the bytes of a quarter second.
 * Taking more puts it into debt: the taker, and those after it, wait until it is paid off.
 */
export function tokenBucket(rate: number, clock: Clock): TakeBytes {
  const most = rate / 4;
  let tokens = most;
  let filled = clock.now();
  return async (bytes, signal) => {
    const now = clock.now();
    tokens = Math.min(most, tokens + (now - filled) / 1000 * rate) - bytes;
    filled = now;
    if (tokens < 0) await clock.sleep(-tokens / rate * 1000, signal);
  };
}
