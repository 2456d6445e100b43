import type { Gpu } from "../gpu/types.ts";

/** The GPUs that this container cannot use: one line for each reason, such as `GPUs 1-7: ...`. */
export function hiddenGpus(gpus: readonly Gpu[]): string[] {
  const groups = new Map<string, { readonly indexes: number[]; readonly first: string }>();
  for (const { index, hiddenBecause, renderNode } of gpus) {
    if (hiddenBecause === null) continue;
    // Reasons may differ only in the node.
    const same = renderNode === null
      ? hiddenBecause
      : hiddenBecause.replaceAll(renderNode, renderNode.replace(/\d+$/, "*"));
    const group = groups.get(same) ?? { indexes: [], first: hiddenBecause };
    group.indexes.push(index);
    groups.set(same, group);
  }
  return [...groups].map(([reason, { indexes, first }]) =>
    indexes.length === 1 ? `GPU ${indexes[0]}: ${first}` : `GPUs ${ranges(indexes)}: ${reason}`
  );
}

/** `0-3, 6`. */
function ranges(numbers: readonly number[]): string {
  const found: [number, number][] = [];
  for (const n of numbers) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === n - 1) last[1] = n;
    else found.push([n, n]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
}
