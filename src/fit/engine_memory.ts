import { type ConfigMap, type ConfigValue, isNumberLiteral } from "../values/value.ts";

/** What of vLLM's arguments decides how much memory a GPU has for what. */
export interface EngineMemory {
  readonly tensorParallel: number;
  readonly pipelineParallel: number;
  readonly dataParallel: number;
  readonly expertParallel: boolean;
  /** Share of a GPU's memory that vLLM takes, 0 to 1. */
  readonly utilization: number;
  /** `null`: the model's own. */
  readonly maxTokens: number | null;
  readonly dtype: string | null;
  readonly kvCacheDtype: string | null;
  /** Quantisation at load time; `null` without. */
  readonly quantization: string | null;
}

const EXPERT_PARALLEL = "enable-expert-parallel";

/** vLLM's own default. */
const UTILIZATION = 0.9;

/** Reads the arguments, whichever of `_` and `-` their names have. */
export function engineMemory(args: ConfigMap): EngineMemory {
  const values = new Map([...args].map(([name, value]) => [name.replaceAll("_", "-"), value]));
  const number = (name: string, otherwise: number) => numberOf(values.get(name)) ?? otherwise;
  const text = (name: string) => {
    const value = values.get(name);
    return typeof value === "string" && value !== "auto" ? value : null;
  };
  return {
    tensorParallel: number("tensor-parallel-size", 1),
    pipelineParallel: number("pipeline-parallel-size", 1),
    dataParallel: number("data-parallel-size", 1),
    expertParallel: values.has(EXPERT_PARALLEL) && values.get(EXPERT_PARALLEL) !== false,
    utilization: number("gpu-memory-utilization", UTILIZATION),
    maxTokens: tokensOf(values.get("max-model-len")),
    dtype: text("dtype"),
    kvCacheDtype: text("kv-cache-dtype"),
    quantization: text("quantization"),
  };
}

function numberOf(value: ConfigValue | undefined): number | null {
  const number = typeof value === "string" ? Number(value) : isNumberLiteral(value) ? value.value : NaN;
  return Number.isFinite(number) && number > 0 ? number : null;
}

/** A length may be written `32k` (thousands) or `32K` (1024s). */
function tokensOf(value: ConfigValue | undefined): number | null {
  const [, digits, unit = ""] = typeof value === "string"
    ? /^(\d+(?:\.\d+)?)([kKmM]?)$/.exec(value) ?? []
    : [];
  if (digits === undefined) return numberOf(value);
  return Math.floor(Number(digits) * ({ "": 1, k: 1000, K: 1024, m: 1e6, M: 2 ** 20 }[unit] ?? 1));
}
