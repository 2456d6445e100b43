import type { Config } from "../config/config.ts";
import type { SettingName } from "../config/settings.ts";
import type { Permissions } from "../os/revoke_permissions.ts";
import type { Terminal } from "./output.ts";

type FlagValue = string | boolean | readonly string[] | undefined;

/** A command's own flag. Flags with an environment variable are in the table of settings instead. */
export interface FlagSpec {
  /** `--name`, without dashes. */
  readonly name: string;
  readonly short: string | undefined;
  /** `boolean` takes no value (`--force`, also `--no-force` and `--force=false`); `list` may be repeated. */
  readonly type: "boolean" | "string" | "list";
  /** The value's name in help, such as `FORMAT`. */
  readonly value?: string | undefined;
  readonly choices?: readonly string[] | undefined;
  /** The value if the flag is not given. */
  readonly initial: FlagValue;
  readonly help: string;
}

export interface CommandContext {
  readonly config: Config;
  /** The positionals. If the command's `model` is `source`, the first may come from `--model-id`. */
  readonly args: readonly string[];
  /** Values of the command's own flags by name, validated. */
  readonly flags: Readonly<Record<string, FlagValue>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  print(text: string): void;
  /** Writes a result to standard output: with `--format json` the value, else the text. */
  report(value: object, text: () => string): void;
  writeError(text: string): void;
  /** Aborted by SIGINT and SIGTERM with an AimError. Until it is first read, they end the process. */
  readonly signal: AbortSignal;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** The words after `--`. */
  readonly engineWords: readonly string[];
  /** Loads all commands, in the order of help; for help and completion. */
  commands(): Promise<readonly Command[]>;
}

/** A command: it validates its input, calls a workflow and prints the result. */
interface Definition<Prepared> {
  /** Name and positionals as in help: `cache list [MODEL...]`, `completions bash|zsh|fish`. */
  readonly usage: string;
  readonly summary: string;
  /**
   * What the positional MODEL means. `served`: the same as `--model` and `--model-id`, the model to select a
   * profile for. `source`: the same as `--model-id`, exactly this source; only `--model` selects a profile.
   */
  readonly model?: "served" | "source";
  /** Words after `--` are passed to the engine. @default {false} */
  readonly takesEngineWords?: boolean;
  /** Settings whose flags the command takes. */
  readonly settings?: readonly SettingName[];
  /** Help texts of its own flags. */
  readonly flags?: Flags;
  /** Printed on a failure with `--format json`, since AMD's programs always parse the output. */
  readonly emptyJson?: "[]";
  /** Example command lines, each with what it does. */
  readonly examples?: Readonly<Record<string, string>>;
  /** Permissions other than reading. @default {none} */
  readonly permissions?: Partial<Permissions>;
  /** The boolean flag without which `permissions.net` is revoked. */
  readonly netOnlyWith?: string;
  /**
   * Runs before `run`, to detect the hardware: may also load libraries and start programs. Both permissions
   * are revoked before `run`, unless `permissions` grants them.
   */
  prepare?(context: CommandContext): Promise<Prepared> | Prepared;
  /** Gets the result of `prepare`. Returns the exit code. @default {0} */
  run(context: CommandContext, prepared: Prepared): Promise<number | void> | number | void;
}

/**
 * Help texts by usage: `--force` is a boolean, `--tag TAG` takes a value, `--tag TAG=latest` has a default,
 * `--filter CONDITION...` may be repeated, `--format text|json` takes one of these values (by default the
 * first), `-y|--yes` has a short form.
 */
export type Flags = Readonly<Record<string, string>>;

export const FORMAT_FLAG: Flags = { "--format text|json": "output format" };

export type Command = ReturnType<typeof command<unknown>>;

/** Completes a definition with the flags and settings that all commands have. */
export function command<Prepared = unknown>(
  { settings = [], flags = {}, permissions, ...rest }: Definition<Prepared>,
) {
  const words = rest.usage.split(" ");
  const isPositional = (word: string) => /[A-Z|]/.test(word);
  const ofAll: readonly SettingName[] = ["logLevel", "logFormat"];
  return {
    ...rest,
    /** As typed, such as `cache verify`. */
    name: words.filter((word) => !isPositional(word)).join(" "),
    positionals: words.filter(isPositional).map(positional),
    settings: [...settings, ...ofAll],
    flags: flagsOf({
      ...(rest.model === undefined ? {} : { "--model-id MODEL": "the same as MODEL" }),
      ...flags,
      "-q|--quiet": "no progress, and only warnings and errors in the log",
    }),
    permissions: { write: false, net: false, run: false, ffi: false, ...permissions },
  };
}

function positional(usage: string) {
  const name = usage.replace(/[[\].]/g, "");
  const choices = name.includes("|") ? name.split("|") : undefined;
  return { name, required: !usage.startsWith("["), many: usage.includes("..."), choices };
}

/**
 * Whether a command loads the C library's calls for writing files before it revokes `ffi`. They open each
 * directory without following symlinks, which Deno cannot do.
 */
export function loadsFirst({ write, ffi }: Permissions): boolean {
  return write && !ffi;
}

export function flagsOf(flags: Flags): readonly FlagSpec[] {
  return Object.entries(flags).map(([usage, help]) => {
    const [, short, name = "", value] = /^(?:-(\w)\|)?--([\w-]+)(?: (\S+))?$/.exec(usage) ?? [];
    const flag = { name, short, help };
    if (value === undefined) return { ...flag, type: "boolean", initial: false };
    if (value.endsWith("...")) return { ...flag, type: "list", initial: [], value: value.slice(0, -3) };
    if (/^[a-z]/.test(value)) {
      const choices = value.split("|");
      return { ...flag, type: "string", initial: choices[0], value: name.toUpperCase(), choices };
    }
    const [placeholder, initial] = value.split("=");
    return { ...flag, type: "string", initial, value: placeholder };
  });
}

/** The value of a string flag; `undefined` if it was not given. */
export function text(value: CommandContext["flags"][string]): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function listed(value: CommandContext["flags"][string]): readonly string[] {
  return Array.isArray(value) ? value : [];
}
