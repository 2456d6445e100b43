import { AimError } from "../errors/aim_error.ts";
import { keepSecret } from "../log/redact.ts";
import type { Config, SettingOrigin, Settings } from "./config.ts";
import { parseSetting } from "./parse_setting.ts";
import { type Setting, SETTING_NAMES, type SettingName, SETTINGS } from "./settings.ts";

export interface ConfigInputs {
  readonly flags: Readonly<Partial<Record<SettingName, string>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative paths start. @default {"/"} */
  readonly cwd?: string;
}

/**
 * Every setting's value. Precedence: flag, environment, default. An empty environment variable counts as
 * unset, since container tools often cannot unset one. Secrets are registered with the log.
 *
 * @throws {AimError} `usage`, naming the variable or the flag that was used, the value and what is allowed.
 */
export function resolveConfig({ flags, env, cwd = "/" }: ConfigInputs): Config {
  const values: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, SettingOrigin>> = {};
  const resolve = (name: SettingName): unknown => {
    if (name in values) return values[name];
    const setting: Setting = SETTINGS[name];
    const given = givenText(name, setting, flags, env);
    if (setting.secret && given !== null) keepSecret(given.text);
    origins[name] = given?.origin ?? "default";
    const text = given?.text ?? defaultText(setting, resolve);
    const base = { cwd, home: env.HOME };
    return values[name] = text === null ? null : parseSetting(text, setting.type, given?.name ?? name, base);
  };
  SETTING_NAMES.forEach(resolve);
  // AIM_DEBUG is for troubleshooting: it overrides a level that an image sets, but not a flag.
  if (values.debug === true && origins.logLevel !== "flag") values.logLevel = "DEBUG";
  return { ...values as Settings, origins: origins as Record<SettingName, SettingOrigin> };
}

interface GivenText {
  readonly text: string;
  readonly origin: "flag" | "environment";
  /** As messages name it: `--port` or `AIM_PORT`. */
  readonly name: string;
}

function givenText(
  name: SettingName,
  setting: Setting,
  flags: ConfigInputs["flags"],
  env: ConfigInputs["env"],
): GivenText | null {
  const flag = flags[name];
  if (flag !== undefined) {
    const text = flag.trim();
    if (text !== "") return { text, origin: "flag", name: `--${setting.flag}` };
    throw new AimError("usage", `--${setting.flag} is empty`, { hint: "give a value or leave it out" });
  }
  for (const variable of setting.env) {
    const text = env[variable]?.trim() ?? "";
    // AMD's operator counts some sizes in MiB.
    const unit = variable.endsWith("_MB") && /^\d+$/.test(text) ? "MiB" : "";
    if (text !== "") return { text: text + unit, origin: "environment", name: variable };
    if (setting.emptyCounts === true && env[variable] !== undefined) return null;
  }
  return null;
}

function defaultText(setting: Setting, resolve: (name: SettingName) => unknown): string | null {
  const text = setting.default;
  if (text === null || !text.startsWith("$")) return text;
  return text.replace(/^\$([A-Z_]+)/, (_, variable: string) => {
    const name = SETTING_NAMES.find((one) => SETTINGS[one].env[0] === variable);
    return name === undefined ? variable : String(resolve(name));
  });
}
