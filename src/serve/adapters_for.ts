import { findAdapters } from "../adapters/find_adapters.ts";
import { type AdapterPlan, isDynamic, planAdapters } from "../adapters/plan_adapters.ts";
import type { Config } from "../config/config.ts";
import { log } from "../log/logger.ts";
import type { Profile } from "../profiles/types.ts";
import { adapterSettings } from "./adapter_settings.ts";

/** What the adapters on disk add to a profile's arguments. */
export async function adaptersFor({ id, metadata }: Profile, config: Config): Promise<AdapterPlan> {
  const { features } = metadata;
  const settings = adapterSettings(config);
  if (features.length === 0) {
    if (config.origins.adapterSource !== "default") {
      log.warn(
        `AIM_ADAPTER_SOURCE is set, and profile ${id} does not have the feature adapters: none are loaded`,
      );
    }
    return planAdapters(features, settings, []);
  }
  return planAdapters(features, settings, isDynamic(features, settings) ? [] : await findAdapters(settings));
}
