import type { ConfigMap } from "../values/value.ts";
import type { SettingName, SETTINGS, SettingType } from "./settings.ts";

type ValueOf<T extends SettingType> = T extends { kind: "choice"; choices: readonly (infer C)[] } ? C
  : T extends { kind: "list"; choices: readonly (infer C)[] } ? readonly C[]
  : T extends { kind: "boolean" } ? boolean
  : T extends { kind: "integer"; auto: true } ? number | "auto"
  : T extends { kind: "integer" | "size" | "duration" } ? number
  : T extends { kind: "json-object" } ? ConfigMap
  : string;

/** Every setting's value after flags, environment and defaults; `null` if unset without default. */
export type Settings = {
  readonly [N in SettingName]: (typeof SETTINGS)[N]["default"] extends null
    ? ValueOf<(typeof SETTINGS)[N]["type"]> | null
    : ValueOf<(typeof SETTINGS)[N]["type"]>;
};

export type SettingOrigin = "flag" | "environment" | "default";

/** Paths are absolute, sizes bytes, durations milliseconds. */
export interface Config extends Settings {
  /** Where each value came from, for messages that name the variable or the flag that was used. */
  readonly origins: Readonly<Record<SettingName, SettingOrigin>>;
}
