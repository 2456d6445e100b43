/** The middle value, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("no values");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Linear regression by least squares, with the coefficient of determination. */
export function straightLine(
  points: readonly (readonly [x: number, y: number])[],
): { readonly slope: number; readonly offset: number; readonly explained: number } {
  const n = points.length;
  if (n < 2) throw new RangeError("a line needs two points");
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const offset = meanY - slope * meanX;
  const total = points.reduce((sum, [, y]) => sum + (y - meanY) ** 2, 0);
  const rest = points.reduce((sum, [x, y]) => sum + (y - offset - slope * x) ** 2, 0);
  return { slope, offset, explained: total === 0 ? 1 : 1 - rest / total };
}
