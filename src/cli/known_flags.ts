import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import type { Command, FlagSpec } from "./command.ts";

/** A flag of a command line: a setting's, or a command's own. */
export interface KnownFlag extends Pick<FlagSpec, "name" | "type" | "choices" | "help"> {
  /** `null` for a command's own flag. */
  readonly setting: SettingName | null;
}

/** All flags of a command by spelling: long names, aliases, letters, and `--json` for `--format`. */
export function knownFlags({ settings, flags }: Pick<Command, "settings" | "flags">): Map<string, KnownFlag> {
  const known = new Map<string, KnownFlag>();
  for (const setting of settings) {
    const { flag: name, flagAliases, type, help }: Setting = SETTINGS[setting];
    if (name === null) continue;
    const choices = type.kind === "choice" ? type.choices : undefined;
    const flag = {
      name,
      type: type.kind === "boolean" ? "boolean" : "string",
      choices,
      help,
      setting,
    } as const;
    for (const spelling of [name, ...flagAliases]) known.set(`--${spelling}`, flag);
  }
  for (const spec of flags) {
    const flag = { ...spec, setting: null };
    known.set(`--${spec.name}`, flag);
    if (spec.short !== undefined) known.set(`-${spec.short}`, flag);
    if (spec.name === "format" && spec.choices?.includes("json")) known.set("--json", flag);
  }
  return known;
}
