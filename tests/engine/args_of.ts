import { resolveConfig } from "../../src/config/resolve_config.ts";
import type { ConfigMap } from "../../src/values/value.ts";

/** Engine arguments as parsed from `AIM_ENGINE_ARGS`. */
export function argsOf(text: string): ConfigMap {
  return resolveConfig({ flags: {}, env: { AIM_ENGINE_ARGS: text } }).engineArgs ?? new Map();
}
