import type { Permissions } from "../os/revoke_permissions.ts";
import type { Command, CommandContext, FlagSpec, Positional } from "./command.ts";

/** What a command declares. */
type Definition<Prepared> =
  & Omit<Command<Prepared>, "name" | "positionals" | "settings" | "flags" | "permissions">
  & Partial<Pick<Command, "settings" | "flags">>
  & {
    /** As in help: `cache list [MODEL...]`, `fetch URI [DEST]`, `completions bash|zsh|fish`. */
    readonly usage: string;
    /** What the command may do besides reading. @default {nothing} */
    readonly permissions?: Partial<Permissions>;
  };

/** A command. */
export function command<Prepared = unknown>(
  { usage, settings = [], flags = [], permissions, ...rest }: Definition<Prepared>,
): Command<Prepared> {
  const words = usage.split(" ");
  const isPositional = (word: string) => /[A-Z|]/.test(word);
  return {
    ...rest,
    name: words.filter((word) => !isPositional(word)).join(" "),
    positionals: words.filter(isPositional).map(positional),
    settings,
    flags,
    permissions: { write: false, net: false, run: false, ffi: false, ...permissions },
  };
}

function positional(usage: string): Positional {
  const name = usage.replace(/[[\].]/g, "");
  const choices = name.includes("|") ? name.split("|") : undefined;
  return { name, required: !usage.startsWith("["), many: usage.includes("..."), choices };
}

/**
 * A flag of a command.
 *
 * @param usage As in help: `--force` is a boolean, `--tag TAG` takes a value, `--filter CONDITION...` may be
 *   repeated, `-y|--yes` has a letter too.
 */
export function flag(
  usage: string,
  help: string,
  options: Pick<FlagSpec, "choices" | "default"> = {},
): FlagSpec {
  const [, short, name = "", value] = /^(?:-(\w)\|)?--([\w-]+)(?: (\S+))?$/.exec(usage) ?? [];
  const type = value === undefined ? "boolean" : value.endsWith("...") ? "list" : "string";
  return { name, short, type, help, value: value?.replace("...", ""), ...options };
}

/** A flag with some allowed values, the first of which is the default. */
export function choiceFlag(usage: string, help: string, choices: readonly [string, ...string[]]): FlagSpec {
  return flag(usage, help, { choices, default: choices[0] });
}

/** `--format` of a command that prints a page or JSON. */
export function formatFlag(...formats: readonly [string, ...string[]]): FlagSpec {
  return choiceFlag("--format FORMAT", "how the result is printed", formats);
}

/** The value of a string flag; `undefined` if it was not given. */
export function text(value: CommandContext["flags"][string]): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The values of a list flag. */
export function listed(value: CommandContext["flags"][string]): readonly string[] {
  return Array.isArray(value) ? value : [];
}
