import type { Config } from "../config/config.ts";
import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import { log, logEnabled } from "../log/logger.ts";

/** At DEBUG, logs every setting that has a value, and where the value comes from. Secrets are not shown. */
export function logSettings(config: Config): void {
  if (!logEnabled("DEBUG")) return;
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { env, secret }: Setting = SETTINGS[name];
    const value = config[name];
    if (value === null) continue;
    log.debug(`setting ${env[0]}`, { value: secret ? "***" : value, from: config.origins[name] });
  }
}
