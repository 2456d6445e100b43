import { nearest } from "../config/nearest.ts";
import {
  type EngineTable,
  isIn,
  releasesLike,
  releasesOf,
  variableRange,
  whyAbsent,
} from "./engine_table.ts";
import type { EngineVersion } from "./engine_version.ts";

/** Environment variables that a version of vLLM reads. */
export interface FittedVariables {
  readonly variables: ReadonlyMap<string, string>;
  /** One line each. */
  readonly warnings: readonly string[];
}

/** Variables that vLLM renamed without changing what they mean. */
const RENAMED: Readonly<Record<string, string>> = {
  // AMD's own builds of 0.10 and 0.11 had the first one.
  VLLM_USE_AITER_TRITON_ROPE: "VLLM_ROCM_USE_AITER_TRITON_ROPE",
  VLLM_ROCM_USE_TRITON_ROPE: "VLLM_ROCM_USE_AITER_TRITON_ROPE",
  VLLM_USE_AITER_UNIFIED_ATTENTION: "VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION",
};

/**
 * Holds a profile's `VLLM_*` variables to what a version reads: a renamed one gets its new name, one that the
 * version no longer or not yet reads is left out, one that no release reads is passed on. Other variables
 * pass.
 */
export function fitVariables(
  variables: ReadonlyMap<string, string>,
  table: EngineTable,
  version: EngineVersion | null,
): FittedVariables {
  const like = releasesLike(table, version);
  const reads = (name: string) => {
    const range = variableRange(table, name);
    return range !== null && like.some((release) => isIn(table, range, release));
  };
  const fitted = new Map<string, string>();
  const warnings: string[] = [];
  const gone: string[] = [];
  for (const [name, value] of variables) {
    const renamed = RENAMED[name];
    const range = variableRange(table, name);
    if (!name.startsWith("VLLM_") || reads(name)) fitted.set(name, value);
    else if (renamed !== undefined && reads(renamed)) {
      if (!variables.has(renamed)) fitted.set(renamed, value);
    } else if (range === null) {
      const near = nearest(name, Object.keys(table.variables));
      warnings.push(
        `no release of vLLM up to ${releasesOf(table).at(-1)} reads ${name}${
          near === null ? "" : ` (did you mean ${near}?)`
        }; it is passed on`,
      );
      fitted.set(name, value);
    } else {
      gone.push(`${name} (${whyAbsent(table, [range], like)})`);
    }
  }
  if (gone.length > 0) {
    warnings.push(
      `left out, since vLLM ${version?.text ?? like.at(-1)} does not read it: ${gone.join(", ")}`,
    );
  }
  return { variables: fitted, warnings };
}
