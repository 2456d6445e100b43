import { pythonText } from "../values/python_text.ts";
import { type ConfigMap, isMap } from "../values/value.ts";
import type { Profile } from "./types.ts";

/** The part of a profile that only its use needs. */
export type ProfileContent = Pick<Profile, "engineArgs" | "envVars" | "content">;

/** A file's arguments and variables. AIM's Python runtime sets variables to `str()` of what YAML gives. */
export function profileContent(content: ConfigMap): ProfileContent {
  return {
    engineArgs: mapAt(content, "engine_args"),
    envVars: new Map([...mapAt(content, "env_vars")].map(([name, value]) => [name, pythonText(value)])),
    content,
  };
}

function mapAt(map: ConfigMap, key: string): ConfigMap {
  const value = map.get(key);
  return value !== undefined && isMap(value) ? value : new Map();
}
