/** Calls `run` for all items, `atOnce` at a time, and returns the results in order. A failure ends it. */
export async function eachOf<T, R>(
  items: readonly T[],
  run: (item: T) => Promise<R>,
  atOnce = 32,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  function* waiting() {
    yield* items.entries();
  }
  // All workers share one generator; a loop that throws closes it for all of them.
  const queue = waiting();
  const worker = async () => {
    for (const [at, item] of queue) results[at] = await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
