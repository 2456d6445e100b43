import type { ConfigMap } from "../values/value.ts";
import { isIn, optionRanges, releasesLike } from "./engine_table.ts";
import type { EngineVersion } from "./engine_version.ts";
import { VLLM_TABLE } from "./vllm_table.generated.ts";

const OPTION = "safetensors-load-strategy";

/**
 * vLLM's option for weights on a network file system, where its default (mapping files into memory) reads
 * page by page: `prefetch` if the version has it, else `eager`; nothing if it has neither, or the
 * arguments say otherwise.
 */
export function readAhead(args: ConfigMap, version: EngineVersion | null): ConfigMap {
  const release = releasesLike(VLLM_TABLE, version).at(-1) ?? "";
  const range = optionRanges(VLLM_TABLE, OPTION)?.find((one) => isIn(VLLM_TABLE, one, release));
  if (range === undefined || args.has(OPTION)) return new Map();
  return new Map([[OPTION, range.shape.choices?.includes("prefetch") === true ? "prefetch" : "eager"]]);
}
