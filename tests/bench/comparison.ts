import type { Figures, Run } from "./measure.ts";
import { median } from "./statistics.ts";

/** A comparison to make. */
export interface Claim {
  /** The work. */
  readonly work: string;
  /** The contender to judge. */
  readonly subject: string;
  /** The contenders to compare it with: the best one counts. If empty, the figure itself is judged. */
  readonly against: readonly string[];
  readonly figure: keyof Run;
  /** The maximum ratio, or the maximum figure if `against` is empty; `null` if there is no limit. */
  readonly limit: number | null;
  /** The reason to print if the limit is exceeded. */
  readonly why?: string;
}

/** The result of a comparison. */
export interface Comparison {
  readonly work: string;
  readonly subject: string;
  /** The best of the contenders that it was compared with. */
  readonly best: string;
  readonly figure: keyof Run;
  /** Medians: seconds, or bytes. */
  readonly mine: number;
  readonly theirs: number;
  readonly ratio: number;
  readonly limit: number | null;
  readonly why?: string;
}

/** Makes a comparison by ratios of medians; `null` if none of the others could run. */
export function compare(claim: Claim, figures: Figures): Comparison | null {
  const middle = (name: string) => {
    const runs = figures.get(name) ?? [];
    return runs.length === 0 ? null : median(runs.map((run) => run[claim.figure]));
  };
  const mine = middle(claim.subject);
  const theirs = claim.against
    .flatMap((name) => {
      const value = middle(name);
      return value === null ? [] : [{ name, value }];
    })
    .toSorted((a, b) => a.value - b.value)[0];
  const { work, subject, figure, limit } = claim;
  const why = claim.why === undefined ? {} : { why: claim.why };
  if (mine !== null && claim.against.length === 0) {
    return { work, subject, best: "–", figure, mine, theirs: 1, ratio: mine, limit, ...why };
  }
  if (mine === null || theirs === undefined) return null;
  return {
    work,
    subject,
    best: theirs.name,
    figure,
    mine,
    theirs: theirs.value,
    ratio: mine / theirs.value,
    limit,
    ...why,
  };
}

/** Whether a comparison is within its limit; `null` if it has none. */
export function isMet({ ratio, limit }: Comparison): boolean | null {
  return limit === null ? null : ratio <= limit;
}
