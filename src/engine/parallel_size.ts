import type { ConfigMap } from "../values/value.ts";
import { optionWords } from "./engine_args.ts";

const FACTORS = ["tensor-parallel-size", "pipeline-parallel-size", "prefill-context-parallel-size"] as const;

/**
 * Counts the GPUs that merged arguments make vLLM use on this machine; `null` if no size is given, if one is
 * not a number, or if several machines take part.
 *
 * @returns Also the sizes that it is the product of, such as `tensor-parallel-size 4 x data-parallel-size 2`.
 */
export function parallelSize(args: ConfigMap): { gpus: number; sizes: string } | null {
  const wordOf = (name: string) => optionWords(args.get(name) ?? null)[0] ?? "";
  if (isSize(wordOf("nnodes")) || wordOf("distributed-executor-backend") === "ray") return null;
  const replicas = args.has("data-parallel-size-local") ? "data-parallel-size-local" : "data-parallel-size";
  const given = [...FACTORS, replicas].filter((name) => args.has(name));
  if (given.length === 0 || !given.map(wordOf).every(isSize)) return null;
  return {
    gpus: given.reduce((product, name) => product * Number(wordOf(name)), 1),
    sizes: given.map((name) => `${name} ${Number(wordOf(name))}`).join(" x "),
  };
}

function isSize(word: string): boolean {
  return /^\d+$/.test(word) && Number(word) > 0;
}
