/** Runs a few at a time; results in order. */
export async function eachOf<T, R>(
  items: readonly T[],
  run: (item: T) => Promise<R>,
  atOnce = 32,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) {
      const item = items[at];
      if (item !== undefined) results[at] = await run(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
