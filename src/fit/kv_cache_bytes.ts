import type { ModelShape } from "./model_shape.ts";

/**
 * Bytes of KV cache that one GPU needs for one sequence.
 *
 * @param tokens Length of the sequence.
 * @param bytesPerValue Of the cache's type.
 * @param tensorParallel GPUs that share the heads; each keeps at least one.
 * @param pipelineParallel GPUs that share the layers.
 */
export function kvCacheBytes(
  { groups, attention }: ModelShape,
  tokens: number,
  bytesPerValue: number,
  tensorParallel: number = 1,
  pipelineParallel: number = 1,
): number {
  const values = attention.kind === "latent"
    ? attention.values
    : Math.max(1, attention.kvHeads / tensorParallel) * attention.valuesPerHead;
  const kept = groups.reduce(
    (sum, { layers, window }) => sum + layers * Math.min(tokens, window ?? tokens),
    0,
  );
  return kept * values * bytesPerValue / pipelineParallel;
}
