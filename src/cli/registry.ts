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

/** Commands for programs, which help does not show. */
export const HIDDEN_NAMES: readonly string[] = ["__watch-adapters", "__complete", "__self-test"];

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
 * Loads a command; `null` if none has that name. Those that start an engine are loaded alone, since they have
 * to be quick; the others together, since each lazy import makes more files of the executable.
 */
export async function loadCommand(name: string): Promise<Command | null> {
  if (name === "serve") return (await import("./commands/serve.ts")).serve;
  if (name === "dry-run") return (await import("./commands/dry_run.ts")).dryRun;
  const others: readonly Command[] = Object.values(await import("./other_commands.ts"));
  return others.find((command) => command.name === name) ?? null;
}

/** Loads all commands that help shows, in its order. */
export async function loadCommands(): Promise<readonly Command[]> {
  const commands = await Promise.all(COMMAND_NAMES.map(loadCommand));
  return commands.filter((command) => command !== null);
}
