/** A part that a connection is downloading. */
export interface PartUnderWay {
  /** Offsets in the file: where it starts, how far it has come, and where it ends. */
  readonly start: number;
  readonly at: number;
  readonly end: number;
  /** Milliseconds since it began. */
  readonly elapsed: number;
}

/** Minimum bytes to divide between two connections; less is hardly worth a request. */
const LEAST = 512 * 1024;
/** Milliseconds. A part that will finish sooner is not worth another connection. */
const SOON = 1_000;
/** Milliseconds after which a part's speed can be estimated. */
const JUDGED = 500;
/** The new part is a multiple of this many bytes. */
const EVEN = 64 * 1024;

/**
 * Which part to divide for an idle connection, and at which offset: in the middle of what is left of the part
 * that would finish last. `null` if all of them will finish soon.
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
