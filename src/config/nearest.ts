/**
 * The candidate with the fewest edits (insert, delete, replace, swap neighbours): at most a third of the
 * word's length, or one for a short word. A completion of the word is one edit away. `null` if none is near.
 */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  const typed = word.toLowerCase();
  let best: string | null = null;
  let least = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const candidate of candidates) {
    const lower = candidate.toLowerCase();
    const isBegun = typed.length >= 3 && lower.startsWith(typed);
    // Words differ by at least the difference of their lengths.
    if (!isBegun && Math.abs(lower.length - typed.length) >= least) continue;
    const edits = isBegun ? Number(lower !== typed) : distance(typed, lower);
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best;
}

/** ` (did you mean X?)` to follow a word in a message; empty if no candidate is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const near = nearest(word, candidates);
  return near === null ? "" : ` (did you mean ${near}?)`;
}

/** Damerau-Levenshtein distance (optimal string alignment). */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replace);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
