import type { Command, CommandTable } from "./command.ts";

type Group = () => Promise<readonly Command[]>;

const others: Group = async () => (await import("./other_commands.ts")).OTHER_COMMANDS;

/**
 * Every command by the words that call it, in the order of help. Those that start an engine are loaded alone,
 * since they have to be quick; the others together, since each lazy import makes more files of the executable.
 */
const COMMANDS: Readonly<Record<string, Group>> = {
  "serve": async () => [(await import("./commands/serve.ts")).serve],
  "dry-run": async () => [(await import("./commands/dry_run.ts")).dryRun],
  "list-profiles": others,
  "download-to-cache": others,
  "fetch": others,
  "size": others,
  "resolve": others,
  "export": others,
  "cache list": others,
  "cache verify": others,
  "cache pin": others,
  "cache remove": others,
  "cache prune": others,
  "detect-hardware": others,
  "gpus": others,
  "doctor": others,
  "profiles validate": others,
  "completions": others,
  "help": others,
};

/** Commands for programs, which help does not show. */
const HIDDEN: Readonly<Record<string, Group>> = {
  "__watch-adapters": others,
  "__complete": others,
  "__self-test": others,
};

/** Other names of commands: those of uv, docker, git and Ollama, and swapped words. */
export const ALIASES: Readonly<Record<string, string>> = {
  "pull": "download-to-cache",
  "download": "download-to-cache",
  "ls": "cache list",
  "list": "cache list",
  "cache ls": "cache list",
  "rm": "cache remove",
  "cache rm": "cache remove",
  "run": "serve",
  "start": "serve",
  "list profiles": "list-profiles",
  "profiles list": "list-profiles",
};

/** The command of `aim` without words. */
export const DEFAULT_COMMAND = "serve";

/** Loads a command; `null` if none has that name. */
export async function loadCommand(name: string): Promise<Command | null> {
  const group = new Map(Object.entries({ ...COMMANDS, ...HIDDEN })).get(name);
  return (await group?.())?.find((command) => command.name === name) ?? null;
}

/** The names of the commands in help, in its order. */
export function commandNames(): string[] {
  return Object.keys(COMMANDS);
}

/** The names of all commands, including those that help does not show. */
export function allCommandNames(): string[] {
  return [...Object.keys(COMMANDS), ...Object.keys(HIDDEN)];
}

export const COMMAND_TABLE: CommandTable = { names: commandNames, load: loadCommand };
