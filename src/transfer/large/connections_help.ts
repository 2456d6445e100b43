/** Bytes per second that keep a core busy with receiving, writing and hashing. */
const BUSY_CORE = 200_000_000;

/** What a transfer received in `elapsed` milliseconds. */
export interface Progress {
  readonly bytes: number;
  readonly elapsed: number;
  readonly cores: number;
  /** Maximum bytes per second; `null`: no limit. */
  readonly limit: number | null;
}

/**
 * Whether more connections would help: not if the CPU is busy with what arrives, and not if the bandwidth
 * limit is reached. Limited traffic comes in bursts, so half of the limit counts as reached.
 */
export function connectionsHelp({ bytes, elapsed, cores, limit }: Progress): boolean {
  const enough = Math.min(BUSY_CORE * cores, limit === null ? Infinity : limit / 2);
  return bytes * 1000 < enough * elapsed;
}
