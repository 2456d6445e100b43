import type { Command } from "./command.ts";

/**
 * Every command by the words that call it, in the order of help. A command's module is loaded only when it runs or its
 * help is shown: what is not loaded costs no start-up time.
 */
export const COMMANDS = {
  "help": async () => (await import("./commands/help.ts")).help,
} as const satisfies Readonly<Record<string, () => Promise<Command>>>;

/** What `aim` alone means. */
export const DEFAULT_COMMAND = "serve";

/** Loads a command; `null` where there is none of that name. */
export async function loadCommand(name: string): Promise<Command | null> {
  const entry = Object.entries<() => Promise<Command>>(COMMANDS).find(([key]) => key === name);
  return entry === undefined ? null : await entry[1]();
}

/** The names of all commands, in the order of help. */
export function commandNames(): string[] {
  return Object.keys(COMMANDS);
}

/** Second words of a two-word command's first word: `cache` → `list`, `prune`, …; empty where it is none. */
export function subcommandsOf(word: string): string[] {
  return commandNames().filter((n) => n.startsWith(`${word} `)).map((n) => n.slice(word.length + 1));
}
