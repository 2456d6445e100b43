import { didYouMean } from "../config/nearest.ts";
import type { ConfigMap, ConfigValue } from "../values/value.ts";
import { type ArgumentSource, mergeEngineArgs, type SystemArgs } from "./engine_args.ts";
import { rangesOf, VersionTable, VLLM_TABLE } from "./engine_table.ts";
import type { EngineVersion } from "./engine_version.ts";
import { fitOptions, type OptionFault } from "./fit_options.ts";

/** What vLLM gets. */
export interface FittedToVllm {
  readonly args: ConfigMap;
  readonly variables: ReadonlyMap<string, string>;
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
  const table = new VersionTable(version);
  const merged = mergeEngineArgs(sources, system, longName);
  const { args, faults, warnings, gone } = fitOptions(merged.args, table);
  const fitted = fitVariables(variables, table);
  return {
    args,
    variables: fitted.variables,
    warnings: [
      ...merged.warnings,
      ...warnings,
      ...leftOut(gone, `${table.label} does not have it`),
      ...fitted.warnings,
      ...leftOut(fitted.gone, `${table.label} does not read it`),
    ],
    faults,
  };
}

function leftOut(gone: readonly string[], why: string): string[] {
  return gone.length === 0 ? [] : [`left out, since ${why}: ${gone.join(", ")}`];
}

/** `tensor-parallel-size` for `tp`. */
function longName(name: string): string | null {
  return Object.hasOwn(VLLM_TABLE.options, name)
    ? null
    : rangesOf(VLLM_TABLE.options, `-${name}`).at(-1)?.long ?? null;
}

/** Variables that vLLM renamed without changing what they mean. */
const RENAMED: Readonly<Record<string, string>> = {
  // AMD's own builds of 0.10 and 0.11 had the first one.
  VLLM_USE_AITER_TRITON_ROPE: "VLLM_ROCM_USE_AITER_TRITON_ROPE",
  VLLM_ROCM_USE_TRITON_ROPE: "VLLM_ROCM_USE_AITER_TRITON_ROPE",
  VLLM_USE_AITER_UNIFIED_ATTENTION: "VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION",
};

/**
 * Fits a profile's `VLLM_*` variables to a version: a renamed one gets its new name, one that the version no
 * longer or not yet reads is left out, one that no release reads is passed on. Other variables pass.
 */
function fitVariables(
  given: ReadonlyMap<string, string>,
  version: VersionTable,
): { variables: ReadonlyMap<string, string>; warnings: string[]; gone: string[] } {
  const rows = version.table.variables;
  const variables = new Map<string, string>();
  const warnings: string[] = [];
  const gone: string[] = [];
  for (const [name, value] of given) {
    const renamed = RENAMED[name];
    const ranges = rangesOf(rows, name);
    if (!name.startsWith("VLLM_") || version.reads(name)) variables.set(name, value);
    else if (renamed !== undefined && version.reads(renamed)) {
      if (!given.has(renamed)) variables.set(renamed, value);
    } else if (ranges.length > 0) gone.push(`${name} (${version.whyAbsent(ranges)})`);
    else {
      const meant = didYouMean(name, Object.keys(rows));
      warnings.push(`no release of vLLM up to ${version.newest} reads ${name}${meant}; it is passed on`);
      variables.set(name, value);
    }
  }
  return { variables, warnings, gone };
}

const LOAD_STRATEGY = "safetensors-load-strategy";

/**
 * vLLM's option for weights on a network file system, where its default (mapping files into memory) reads
 * page by page: `prefetch` if the version has it, else `eager`; nothing if it has neither, or if the
 * arguments say otherwise.
 */
export function readAhead(args: ConfigMap, version: EngineVersion | null): ConfigMap {
  const choices = new VersionTable(version).option(LOAD_STRATEGY).at(-1)?.shape.choices;
  if (choices === undefined || args.has(LOAD_STRATEGY)) return new Map<string, ConfigValue>();
  return new Map([[LOAD_STRATEGY, choices?.includes("prefetch") === true ? "prefetch" : "eager"]]);
}
