import { type ConfigMap, type ConfigValue, numberLiteral } from "../values/value.ts";
import type { Adapter, AdapterSettings } from "./types.ts";

/** What adapters add to the engine's command line and environment. */
export interface AdapterPlan {
  readonly args: ConfigMap;
  readonly env: Readonly<Record<string, string>>;
  /** Adapters are loaded and unloaded while the engine runs. */
  readonly watch: boolean;
}

const NOTHING: AdapterPlan = { args: new Map(), env: {}, watch: false };

/**
 * Decides how the engine gets its adapters, by the rules of AMD's runtime. The profile's features must include
 * `adapters` or `adapters-scale-only`. With `adapters` and the dynamic mode, the engine starts without adapters and
 * a watcher loads them; otherwise the adapters on disk are arguments.
 */
export function planAdapters(
  features: readonly string[],
  settings: AdapterSettings,
  adapters: readonly Adapter[],
): AdapterPlan {
  if (!features.includes("adapters") && !features.includes("adapters-scale-only")) return NOTHING;
  const limits: [string, ConfigValue][] = [
    ["enable-lora", true],
    ["max-loras", numberLiteral(settings.maxCount)],
    ["max-cpu-loras", numberLiteral(Math.max(settings.maxCpuCount, settings.maxCount))],
    ["max-lora-rank", numberLiteral(settings.maxRank)],
  ];
  if (isDynamic(features, settings)) {
    return {
      args: new Map(limits),
      env: {
        VLLM_ALLOW_RUNTIME_LORA_UPDATING: "True",
        VLLM_LORA_RESOLVER_CACHE_DIR: settings.source,
        VLLM_PLUGINS: "lora_filesystem_resolver",
      },
      watch: true,
    };
  }
  if (adapters.length === 0) return NOTHING;
  return { args: new Map([...limits, ["lora-modules", adapters.map(moduleOf)]]), env: {}, watch: false };
}

/** Whether adapters are loaded while the engine runs. */
export function isDynamic(features: readonly string[], { mode }: Pick<AdapterSettings, "mode">): boolean {
  return mode === "dynamic" && features.includes("adapters");
}

/** `name=path`, or JSON for a path with `=` or `,`, at which vLLM would split it. */
function moduleOf({ name, path }: Adapter): string {
  return /[=,]/.test(path) ? JSON.stringify({ name, path }) : `${name}=${path}`;
}
