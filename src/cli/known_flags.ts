import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import { type Command, flag, type FlagSpec } from "./command.ts";

/** Settings that every command takes. */
export const GLOBAL_SETTINGS = ["logLevel", "logFormat"] as const satisfies readonly SettingName[];

const QUIET: FlagSpec = flag("-q|--quiet", "no progress, and only warnings and errors in the log");

/** In place of the positional MODEL. */
const MODEL_ID: FlagSpec = flag("--model-id MODEL", "the same as MODEL");

/** A flag of a command line: a setting's, or a command's own. */
export interface KnownFlag extends Pick<FlagSpec, "name" | "type" | "choices" | "help"> {
  /** `null` for a command's own flag. */
  readonly setting: SettingName | null;
}

/** The command's own flags, `--model-id` if it takes a model, and those of every command. */
export function specsOf({ model, flags }: Pick<Command, "model" | "flags">): readonly FlagSpec[] {
  return [...model === undefined ? [] : [MODEL_ID], ...flags, QUIET];
}

/** All flags of a command by spelling: long names, aliases, letters, and `--json` for `--format`. */
export function knownFlags(command: Pick<Command, "settings" | "model" | "flags">): Map<string, KnownFlag> {
  const known = new Map<string, KnownFlag>();
  for (const setting of [...command.settings, ...GLOBAL_SETTINGS]) {
    const { flag: name, flagAliases, type, help }: Setting = SETTINGS[setting];
    if (name === null) continue;
    const choices = type.kind === "choice" ? { choices: type.choices } : {};
    const flag = {
      name,
      type: type.kind === "boolean" ? "boolean" : "string",
      ...choices,
      help,
      setting,
    } as const;
    for (const spelling of [name, ...flagAliases]) known.set(`--${spelling}`, flag);
  }
  for (const spec of specsOf(command)) {
    const flag = { ...spec, setting: null };
    known.set(`--${spec.name}`, flag);
    if (spec.short !== undefined) known.set(`-${spec.short}`, flag);
    if (spec.name === "format" && spec.choices?.includes("json")) known.set("--json", flag);
  }
  return known;
}
