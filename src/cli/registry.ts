import { AimError } from "../errors/aim_error.ts";
import type { Command } from "./command.ts";

/** The words that call each command, in the order of help. */
export const COMMAND_NAMES: readonly string[] = [
  "serve",
  "dry-run",
  "list-profiles",
  "download-to-cache",
  "fetch",
  "size",
  "resolve",
  "export",
  "cache list",
  "cache verify",
  "cache pin",
  "cache remove",
  "cache prune",
  "detect-hardware",
  "gpus",
  "doctor",
  "profiles validate",
  "completions",
  "help",
];

/** Commands that help does not show: mostly for programs. */
export const HIDDEN_NAMES: readonly string[] = ["version", "__watch-adapters", "__complete", "__self-test"];

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

/**
 * Loads a command. Those that start an engine are loaded alone, since they have
 * to be quick; the others together, since each lazy import makes more files of the executable.
 */
export async function loadCommand(name: string): Promise<Command> {
  if (name === "serve") return (await import("./commands/serve.ts")).serve;
  if (name === "dry-run") return (await import("./commands/dry_run.ts")).dryRun;
  const others: readonly Command[] = Object.values(await import("./other_commands.ts"));
  const found = others.find((command) => command.name === name);
  if (found === undefined) throw new AimError("usage", `unknown command "${name}"`, { hint: "see aim help" });
  return found;
}

/** Loads all commands that help shows, in its order. */
export async function loadCommands(): Promise<readonly Command[]> {
  return await Promise.all(COMMAND_NAMES.map(loadCommand));
}
