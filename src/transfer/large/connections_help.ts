/** Bytes a second that keep a core busy with receiving, writing and hashing. */
const BUSY_CORE = 300_000_000;

/** What a transfer brought in a while. */
export interface Progress {
  readonly bytes: number;
  /** Milliseconds. */
  readonly elapsed: number;
  /** Of them, those in which the main thread wrote to files. */
  readonly writing: number;
  readonly cores: number;
  /** Bytes a second that are allowed; `null`: no limit. */
  readonly limit: number | null;
}

/**
 * Whether more connections would bring more: not where the machine is busy with what comes, where they only cost, nor where
 * the disk holds it up or no more is allowed. A limit is kept to in bursts, so half of it counts as reached.
 */
export function connectionsHelp({ bytes, elapsed, writing, cores, limit }: Progress): boolean {
  if (writing > elapsed / 2) return false;
  const enough = Math.min(BUSY_CORE * cores, limit === null ? Infinity : limit / 2);
  return bytes * 1000 < enough * elapsed;
}
