import type { ConfigMap } from "../values/value.ts";
import { type ArgumentSource, mergeEngineArgs, type SystemArgs } from "./engine_args.ts";
import { optionRanges } from "./engine_table.ts";
import type { EngineVersion } from "./engine_version.ts";
import { fitOptions, type OptionFault } from "./fit_options.ts";
import { fitVariables } from "./fit_variables.ts";
import { VLLM_TABLE } from "./vllm_table.generated.ts";

/** What vLLM gets. */
export interface FittedToVllm {
  readonly args: ConfigMap;
  readonly variables: ReadonlyMap<string, string>;
  /** One line each. */
  readonly warnings: readonly string[];
  readonly faults: readonly OptionFault[];
}

/**
 * Merges arguments and fits them, and a profile's variables, to a version of vLLM.
 *
 * @param version `null`: the newest release that is known.
 * @throws {AimError} what {@linkcode mergeEngineArgs} throws.
 */
export function fitToVllm(
  sources: readonly ArgumentSource[],
  system: SystemArgs,
  variables: ReadonlyMap<string, string>,
  version: EngineVersion | null,
): FittedToVllm {
  const merged = mergeEngineArgs(sources, system, longName);
  const options = fitOptions(merged.args, VLLM_TABLE, version);
  const fitted = fitVariables(variables, VLLM_TABLE, version);
  return {
    args: options.args,
    variables: fitted.variables,
    warnings: [...merged.warnings, ...options.warnings, ...fitted.warnings],
    faults: options.faults,
  };
}

/** `tensor-parallel-size` for `tp`. */
function longName(name: string): string | null {
  return optionRanges(VLLM_TABLE, name) === null
    ? optionRanges(VLLM_TABLE, `-${name}`)?.at(-1)?.long ?? null
    : null;
}
