import type { Figures, Run } from "./measure.ts";
import { median } from "./statistics.ts";

/** What is to be held against what. */
export interface Claim {
  /** The work. */
  readonly work: string;
  /** The contender that makes the claim. */
  readonly subject: string;
  /** Those it is held against: the best of them counts. Empty: the figure itself counts. */
  readonly against: readonly string[];
  readonly figure: keyof Run;
  /** The ratio that must not be exceeded, or the figure itself if there is nothing to compare it with; `null`: only told. */
  readonly limit: number | null;
  /** What holds it up, in case it is exceeded. */
  readonly why?: string;
}

/** A claim, weighed. */
export interface Comparison {
  readonly work: string;
  readonly subject: string;
  /** The best of those it was held against. */
  readonly best: string;
  readonly figure: keyof Run;
  /** Medians: seconds, or bytes. */
  readonly mine: number;
  readonly theirs: number;
  readonly ratio: number;
  readonly limit: number | null;
  readonly why?: string;
}

/** Weighs a claim by ratios of medians; `null` where none of those it is held against could run. */
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

/** Whether a comparison keeps its limit; `null` where it has none. */
export function isMet({ ratio, limit }: Comparison): boolean | null {
  return limit === null ? null : ratio <= limit;
}
