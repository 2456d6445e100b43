import type { Clock } from "./types.ts";

/** Limits bytes per second over all connections. */
export interface TokenBucket {
  /** Resolves when so many bytes may be taken; in the order of the calls. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/**
 * A bucket that holds at most a quarter second's bytes. More than it holds may be taken: it then goes into
 * debt, which later takers wait for.
 *
 * @param rate Bytes per second.
 */
export function tokenBucket(rate: number, clock: Clock): TokenBucket {
  const most = rate / 4;
  let tokens = most;
  let filled = clock.now();
  return {
    async take(bytes, signal) {
      const now = clock.now();
      tokens = Math.min(most, tokens + (now - filled) / 1000 * rate) - bytes;
      filled = now;
      if (tokens < 0) await clock.sleep(-tokens / rate * 1000, signal);
    },
  };
}
