import type { ConfigMap } from "../values/value.ts";
import { optionWords } from "./engine_args.ts";

const FACTORS = ["tensor-parallel-size", "pipeline-parallel-size", "prefill-context-parallel-size"] as const;

/**
 * Counts the GPUs that merged arguments make vLLM use here: tensor, pipeline and context sizes, times the
 * replicas on this machine. `null` if no size is given, if one is not a number, or if several machines
 * take part.
 *
 * @returns Also the sizes that it follows from, as `tensor-parallel-size 4 x data-parallel-size 2`.
 */
export function parallelSize(args: ConfigMap): { gpus: number; sizes: string } | null {
  if (
    number(args, "nnodes") !== null ||
    optionWords(args.get("distributed-executor-backend") ?? null)[0] === "ray"
  ) {
    return null;
  }
  const replicas = args.has("data-parallel-size-local") ? "data-parallel-size-local" : "data-parallel-size";
  const given = [...FACTORS, replicas].filter((name) => args.has(name));
  const sizes = given.map((name) => ({ name, size: number(args, name) }));
  if (sizes.length === 0) return null;
  let gpus = 1;
  for (const { size } of sizes) {
    if (size === null) return null;
    gpus *= size;
  }
  return { gpus, sizes: sizes.map(({ name, size }) => `${name} ${size}`).join(" x ") };
}

function number(args: ConfigMap, name: string): number | null {
  const [word = ""] = optionWords(args.get(name) ?? null);
  return /^\d+$/.test(word) && Number(word) > 0 ? Number(word) : null;
}
