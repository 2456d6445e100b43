import type { Command, CommandTable } from "./command.ts";

type Load = () => Promise<Command>;

/**
 * Every command by the words that call it, in the order of help. A command's module is loaded only when it runs or its
 * help is shown: what is not loaded costs no start-up time.
 */
const COMMANDS: Readonly<Record<string, Load>> = {
  "serve": async () => (await import("./commands/serve.ts")).serve,
  "dry-run": async () => (await import("./commands/dry_run.ts")).dryRun,
  "list-profiles": async () => (await import("./commands/list_profiles.ts")).listProfiles,
  "download-to-cache": async () => (await import("./commands/download_to_cache.ts")).downloadToCache,
  "fetch": async () => (await import("./commands/fetch.ts")).fetch,
  "size": async () => (await import("./commands/size.ts")).size,
  "resolve": async () => (await import("./commands/resolve.ts")).resolve,
  "export": async () => (await import("./commands/export.ts")).exportModel,
  "cache list": async () => (await import("./commands/cache_list.ts")).cacheList,
  "cache verify": async () => (await import("./commands/cache_verify.ts")).cacheVerify,
  "cache pin": async () => (await import("./commands/cache_pin.ts")).cachePin,
  "cache remove": async () => (await import("./commands/cache_remove.ts")).cacheRemove,
  "cache prune": async () => (await import("./commands/cache_prune.ts")).cachePrune,
  "detect-hardware": async () => (await import("./commands/detect_hardware.ts")).detectHardwareCommand,
  "gpus": async () => (await import("./commands/gpus.ts")).gpus,
  "doctor": async () => (await import("./commands/doctor.ts")).doctor,
  "profiles validate": async () => (await import("./commands/profiles_validate.ts")).profilesValidate,
  "completions": async () => (await import("./commands/completions.ts")).completions,
  "help": async () => (await import("./commands/help.ts")).help,
};

/** Commands that programs call, and help does not show. */
const HIDDEN: Readonly<Record<string, Load>> = {
  "__watch-adapters": async () => (await import("./commands/watch_adapters.ts")).watchAdaptersCommand,
  "__complete": async () => (await import("./commands/complete_words.ts")).completeWords,
  "__self-test": async () => (await import("./commands/self_test.ts")).selfTest,
};

/** Other words for commands: what uv, docker, git and Ollama call them, and two words that people swap. */
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

/** What `aim` alone means. */
export const DEFAULT_COMMAND = "serve";

/** Loads a command; `null` where there is none of that name. */
export async function loadCommand(name: string): Promise<Command | null> {
  const load = Object.hasOwn(COMMANDS, name)
    ? COMMANDS[name]
    : Object.hasOwn(HIDDEN, name)
    ? HIDDEN[name]
    : undefined;
  return load === undefined ? null : await load();
}

/** The names of all commands, in the order of help. */
export function commandNames(): string[] {
  return Object.keys(COMMANDS);
}

/** The same with those that help does not show. */
export function allCommandNames(): string[] {
  return [...Object.keys(COMMANDS), ...Object.keys(HIDDEN)];
}

/** The commands for those that tell of them. */
export const COMMAND_TABLE: CommandTable = { names: commandNames, load: loadCommand };
