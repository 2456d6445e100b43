import type { Config } from "../config/config.ts";
import type { SettingName } from "../config/settings.ts";
import type { Permissions } from "../os/revoke_permissions.ts";

/**
 * Whether a command loads the C library's calls for writing below a directory before it gives `ffi` up: those that write files. They open
 * each directory without following links, which Deno cannot.
 */
export function loadsFirst({ write, ffi }: Permissions): boolean {
  return write && !ffi;
}

/** A flag that only some commands have. Settings with an environment variable are in the settings table instead. */
export interface FlagSpec {
  /** `--name`, without dashes. */
  readonly name: string;
  /** One letter, without dash. */
  readonly short?: string;
  /**
   * `boolean` takes no value (`--force`, also `--no-force` and `--force=false`) and is false where not given; `list` may be
   * repeated and is empty where not given; `string` is undefined where not given and without default.
   */
  readonly type: "boolean" | "string" | "list";
  /** Word for the value in help, as `FORMAT`. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly default?: string;
  readonly help: string;
}

/** What standard output or standard error is connected to. */
export interface Terminal {
  readonly isTerminal: boolean;
  /** Colour is wanted: by NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, TERM and whether this is a terminal. */
  readonly colour: boolean;
  /** Characters in a row; `Infinity` where this is no terminal. */
  readonly columns: number;
}

/** All commands, for those that tell of them. */
export interface CommandTable {
  /** In the order of help. */
  names(): readonly string[];
  /** `null` where there is none of that name. */
  load(name: string): Promise<Command | null>;
}

/** What a command is given. `Prepared` is what its own `prepare` resolved to. */
export interface CommandContext<Prepared = unknown> {
  readonly config: Config;
  readonly args: readonly string[];
  /** Values of the command's own flags by name: validated against `choices`, defaults filled in. */
  readonly flags: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output. */
  print(text: string): void;
  /** Writes to standard error, where the log and progress go. */
  writeError(text: string): void;
  /** Aborted by SIGINT and SIGTERM, with the AimError to end with as its reason. Until it is read, they end the process. */
  readonly signal: AbortSignal;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** `-q`: no progress, warnings only. */
  readonly quiet: boolean;
  /** The words after `--`, which go to the engine. */
  readonly engineWords: readonly string[];
  readonly commands: CommandTable;
  /** What `prepare` resolved to; `undefined` without one. */
  readonly prepared: Prepared;
}

/** A command: thin, it parses, validates, calls a workflow and prints. */
export interface Command<Prepared = unknown> {
  /** As typed: `cache verify`. */
  readonly name: string;
  readonly summary: string;
  /** Positional arguments for the usage line, as `[MODEL]`. */
  readonly positionals: readonly {
    readonly name: string;
    readonly required: boolean;
    readonly many?: boolean;
    readonly choices?: readonly string[];
  }[];
  /**
   * What the positional MODEL is. `served`: the same as `--model` and `--model-id`, and subject to profile selection.
   * `source`: the same as `--model-id`, exactly this source; `--model` goes through profile selection.
   */
  readonly model?: "served" | "source";
  /** What follows `--` goes to the engine. @default {false} */
  readonly takesEngineWords?: boolean;
  /** Settings whose flags the command takes. */
  readonly settings: readonly SettingName[];
  readonly flags: readonly FlagSpec[];
  /** What a failure with `--format json` leaves on standard output: AMD's programs parse it whatever happens. */
  readonly emptyJson?: "[]";
  /** What example command lines do, by command line. @default {none} */
  readonly examples?: Readonly<Record<string, string>>;
  readonly permissions: Permissions;
  /** The boolean flag without which the network is not needed: `permissions.net` goes then. */
  readonly netOnlyWith?: string;
  /**
   * A first stage that may also load libraries and start programs, whatever `permissions` says of that: hardware is looked at
   * here. The right to both is given up before `run`, unless declared.
   */
  prepare?(context: CommandContext<undefined>): Promise<Prepared>;
  /** Returns the exit code. @default {0} */
  run(context: CommandContext<Prepared>): Promise<number | void> | number | void;
}
