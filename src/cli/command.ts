import type { Config } from "../config/config.ts";
import type { SettingName } from "../config/settings.ts";
import type { Permissions } from "../os/revoke_permissions.ts";
import type { Page } from "./style.ts";

/**
 * Whether a command loads the C library's calls for writing files before it revokes `ffi`. They open each
 * directory without following links, which Deno cannot.
 */
export function loadsFirst({ write, ffi }: Permissions): boolean {
  return write && !ffi;
}

/** A flag of some commands. Flags with an environment variable are in the table of settings instead. */
export interface FlagSpec {
  /** `--name`, without dashes. */
  readonly name: string;
  /** One letter, without dash. */
  readonly short?: string | undefined;
  /**
   * `boolean` takes no value (`--force`, also `--no-force` and `--force=false`) and is false by default;
   * `list` may be repeated and is empty by default; `string` is undefined unless it has a default.
   */
  readonly type: "boolean" | "string" | "list";
  /** The value's name in help, such as `FORMAT`. */
  readonly value?: string | undefined;
  readonly choices?: readonly string[];
  readonly default?: string;
  readonly help: string;
}

/** What standard output or standard error is connected to. Colours: see `colourEnabled`. */
export interface Terminal extends Page {
  readonly isTerminal: boolean;
}

/** All commands, for help and completion. */
export interface CommandTable {
  /** In the order of help. */
  names(): readonly string[];
  /** `null` for an unknown name. */
  load(name: string): Promise<Command | null>;
}

/** The input of a command. `Prepared` is the result of its `prepare`. */
export interface CommandContext<Prepared = unknown> {
  readonly config: Config;
  readonly args: readonly string[];
  /** Values of the command's own flags by name, validated, with defaults. */
  readonly flags: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output. */
  print(text: string): void;
  /** Writes a result to standard output: with `--format json` the value, else the text. */
  report(value: object, text: () => string): void;
  /** Writes to standard error. */
  writeError(text: string): void;
  /** Aborted by SIGINT and SIGTERM with an AimError. Until it is read, they end the process. */
  readonly signal: AbortSignal;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** `-q`: no progress, warnings only. */
  readonly quiet: boolean;
  /** The words after `--`. */
  readonly engineWords: readonly string[];
  readonly commands: CommandTable;
  readonly prepared: Prepared;
}

/** A word that a command takes. */
export interface Positional {
  /** As in help, such as `MODEL`. */
  readonly name: string;
  readonly required: boolean;
  /** Any number of words. */
  readonly many?: boolean;
  readonly choices?: readonly string[] | undefined;
}

/** A command: it validates its input, calls a workflow and prints the result. */
export interface Command<Prepared = unknown> {
  /** As typed, such as `cache verify`. */
  readonly name: string;
  readonly summary: string;
  readonly positionals: readonly Positional[];
  /**
   * The meaning of the positional MODEL. `served`: the same as `--model` and `--model-id`, for profile
   * selection. `source`: the same as `--model-id`, exactly this source; only `--model` is for profile
   * selection.
   */
  readonly model?: "served" | "source";
  /** The words after `--` go to the engine. @default {false} */
  readonly takesEngineWords?: boolean;
  /** Settings whose flags the command takes. */
  readonly settings: readonly SettingName[];
  readonly flags: readonly FlagSpec[];
  /** Printed on a failure with `--format json`, since AMD's programs always parse the output. */
  readonly emptyJson?: "[]";
  /** What example command lines do, by command line. @default {none} */
  readonly examples?: Readonly<Record<string, string>>;
  readonly permissions: Permissions;
  /** The boolean flag without which `permissions.net` is revoked. */
  readonly netOnlyWith?: string;
  /**
   * Runs before `run` and detects the hardware: may also load libraries and start programs. Both permissions
   * are revoked before `run`, unless `permissions` has them.
   */
  prepare?(context: CommandContext<undefined>): Promise<Prepared> | Prepared;
  /** Returns the exit code. @default {0} */
  run(context: CommandContext<Prepared>): Promise<number | void> | number | void;
}
