/**
 * Calls `run` for all items, `atOnce` at a time. Results are in order. After a failure, no more are started.
 */
export async function eachOf<T, R>(
  items: readonly T[],
  run: (item: T) => Promise<R>,
  atOnce = 32,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  function* waiting() {
    yield* items.entries();
  }
  // All workers share one generator, and a loop that throws closes it for the others.
  const queue = waiting();
  const worker = async () => {
    for (const [at, item] of queue) results[at] = await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
