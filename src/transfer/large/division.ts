/** A part that a connection is downloading. */
export interface PartUnderWay {
  /** Offsets in the file: where it began, how far it is, and where it ends. */
  readonly start: number;
  readonly at: number;
  readonly end: number;
  /** Milliseconds since it began. */
  readonly elapsed: number;
}

/** Bytes of which another connection takes over half; less is hardly worth a request. */
const LEAST = 512 * 1024;
/** Milliseconds: a part that is done sooner is not worth another connection. */
const SOON = 1_000;
/** Milliseconds after which it can be said how fast a part comes. */
const JUDGED = 500;
/** Divisions are so far apart, in bytes. */
const EVEN = 64 * 1024;

/**
 * Which part to divide for a connection that has nothing to do, and at which offset: in the middle of what
 * the last one to finish still misses. `null` if all of them will be done soon.
 */
export function divisionOf<P extends PartUnderWay>(parts: Iterable<P>): { part: P; at: number } | null {
  let found: { part: P; at: number } | null = null;
  let longest = SOON;
  for (const part of parts) {
    const { start, at, end, elapsed } = part;
    const left = end - at;
    if (left < LEAST || elapsed < JUDGED) continue;
    const wait = left * elapsed / (at - start);
    if (wait <= longest) continue;
    longest = wait;
    found = { part, at: end - Math.floor(left / 2 / EVEN) * EVEN };
  }
  return found;
}
