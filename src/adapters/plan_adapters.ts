import type { Config } from "../config/config.ts";
import { log } from "../log/logger.ts";
import { type ConfigMap, type ConfigValue, numberLiteral } from "../values/value.ts";
import { type Adapter, findAdapters } from "./find_adapters.ts";

/** What adapters add to the engine's command line and environment. */
export interface AdapterPlan {
  readonly args: ConfigMap;
  readonly env: Readonly<Record<string, string>>;
  /** Adapters are loaded and unloaded while the engine runs. */
  readonly watch: boolean;
}

const NOTHING: AdapterPlan = { args: new Map(), env: {}, watch: false };

type AdapterSettings =
  & Pick<
    Config,
    "adapterSource" | "adapterMode" | "adapterMaxCount" | "adapterMaxCpuCount" | "adapterMaxRank"
  >
  & { readonly origins: Pick<Config["origins"], "adapterSource"> };

/**
 * Decides how the engine gets its adapters, by the rules of AMD's runtime. With the feature `adapters` and
 * the dynamic mode, the engine starts without adapters and a watcher loads them; otherwise, with `adapters`
 * or `adapters-scale-only`, the adapters on disk are arguments.
 */
export async function planAdapters(
  profileId: string,
  features: readonly string[],
  config: AdapterSettings,
  find: () => Promise<readonly Adapter[]> = () => findAdapters(config),
): Promise<AdapterPlan> {
  if (features.length === 0) {
    if (config.origins.adapterSource !== "default") {
      const lacks = `profile ${profileId} does not have the feature adapters`;
      log.warn(`AIM_ADAPTER_SOURCE is set, but ${lacks}: no adapters are loaded`);
    }
    return NOTHING;
  }
  const { adapterMaxCount, adapterMaxCpuCount, adapterMaxRank } = config;
  const limits: [string, ConfigValue][] = [
    ["enable-lora", true],
    ["max-loras", numberLiteral(adapterMaxCount)],
    ["max-cpu-loras", numberLiteral(Math.max(adapterMaxCpuCount, adapterMaxCount))],
    ["max-lora-rank", numberLiteral(Number(adapterMaxRank))],
  ];
  if (config.adapterMode === "dynamic" && features.includes("adapters")) {
    const env = {
      VLLM_ALLOW_RUNTIME_LORA_UPDATING: "True",
      VLLM_LORA_RESOLVER_CACHE_DIR: config.adapterSource,
      VLLM_PLUGINS: "lora_filesystem_resolver",
    };
    return { args: new Map(limits), env, watch: true };
  }
  const adapters = await find();
  if (adapters.length === 0) return NOTHING;
  return { args: new Map([...limits, ["lora-modules", adapters.map(moduleOf)]]), env: {}, watch: false };
}

/** `name=path`, or JSON for a path with `=` or `,`, at which vLLM would split it. */
function moduleOf({ name, path }: Adapter): string {
  return /[=,]/.test(path) ? JSON.stringify({ name, path }) : `${name}=${path}`;
}
