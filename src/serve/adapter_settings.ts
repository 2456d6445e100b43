import type { AdapterSettings } from "../adapters/types.ts";
import type { Config } from "../config/config.ts";

/** The `AIM_ADAPTER_*` settings. */
export function adapterSettings(config: Config): AdapterSettings {
  return {
    source: config.adapterSource,
    mode: config.adapterMode,
    maxCount: config.adapterMaxCount,
    maxCpuCount: config.adapterMaxCpuCount,
    maxRank: Number(config.adapterMaxRank),
  };
}
