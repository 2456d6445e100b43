import type { Fit } from "./judge_fit.ts";

/**
 * What a comparison with the memory comes to, in GiB.
 *
 * @param gpu `MI300X`.
 * @param source Where the size of the weights is from.
 */
export function fitInWords(fit: Fit, gpu: string, source: string): string {
  const { gpus, tokens, kvBytes, smallestCount } = fit;
  const kv = kvBytes === null || tokens === null
    ? ""
    : ` and ${gib(kvBytes)} of KV cache for one sequence of ${tokens} tokens`;
  const need = `${gib(fit.weightBytes)} of weights${kv} per GPU (${
    gib(fit.modelBytes)
  } in all, from ${source})`;
  const have = `${gib(fit.usableBytes)} of ${gib(fit.vramBytes)} usable on each of ${gpus} x ${gpu} ` +
    `(gpu-memory-utilization ${fit.utilization})`;
  if (fit.state === "fits") return `${need}; ${have}`;
  const instead = [
    ...(smallestCount === null
      ? [`16 x ${gpu} are too few`]
      : smallestCount > gpus
      ? [`${smallestCount} x ${gpu} would do`]
      : []),
    ...(fit.state === "kv" && fit.tokensThatFit !== null && fit.tokensThatFit > 0
      ? [`so would max-model-len ${fit.tokensThatFit}`]
      : []),
  ];
  return `memory is low: ${need}; ${have}${instead.length === 0 ? "" : `; ${instead.join(", ")}`}`;
}

function gib(bytes: number): string {
  const value = bytes / 2 ** 30;
  return `${value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2)} GiB`;
}
