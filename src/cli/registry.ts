import { nearest } from "../config/nearest.ts";
import { type Setting, SETTINGS } from "../config/settings.ts";
import { AimError } from "../errors/aim_error.ts";
import type { Command } from "./command.ts";

/** The commands' names, in the order of help. */
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

/** Commands that help does not list, mostly for programs. */
const HIDDEN_NAMES = ["version", "__watch-adapters", "__complete", "__self-test"];

/** Aliases: names that uv, docker, git and Ollama use, and swapped words. */
const ALIASES: Readonly<Record<string, string>> = {
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
 * Loads a command by name. `serve` and `dry-run` are loaded alone, since they must start fast; the others
 * together, since each lazy import adds files to the executable.
 */
export async function loadCommand(name: string): Promise<Command> {
  if (name === "serve") return (await import("./commands/serve.ts")).serve;
  if (name === "dry-run") return (await import("./commands/dry_run.ts")).dryRun;
  const others = await import("./other_commands.ts");
  return Object.values<Command>(others).find((command) => command.name === name) ?? others.help;
}

/** Loads all commands that help lists, in its order. */
export async function loadCommands(): Promise<readonly Command[]> {
  return await Promise.all(COMMAND_NAMES.map(loadCommand));
}

/** Every name that can be typed: one or two words. */
const NAMES = [...COMMAND_NAMES, ...HIDDEN_NAMES, ...Object.keys(ALIASES)];
const FIRST_WORDS = new Set(NAMES.map((name) => name.split(" ")[0] ?? name));

/** What `aim` alone runs. */
const DEFAULT_COMMAND = "serve";

/**
 * The command that argv names, and argv without the command's name. The name starts at the first word that is
 * neither a flag nor a flag's value; if that word is a model, the default command gets it. `--help`, `-h`,
 * `--version` and `-V` anywhere before `--` override the command.
 *
 * @throws {AimError} `usage` for an unknown command, with the nearest one.
 */
export function findCommand(argv: readonly string[]): { name: string; rest: readonly string[] } {
  const before = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const words = wordsOf(before);
  const isKnown = (word: string) => FIRST_WORDS.has(word);
  // A word after a command's own flag may be the flag's value: it counts only if it is a command's name.
  const first = words.find((word) => isKnown(word.text) || !word.afterFlag);
  const wantsHelp = before.includes("--help") || before.includes("-h");
  const wantsVersion = first?.text === "version" || before.includes("--version") || before.includes("-V");
  if (!wantsHelp && wantsVersion) return { name: "version", rest: [] };
  if (first === undefined || (!isKnown(first.text) && /[/:]/.test(first.text))) {
    return wantsHelp ? { name: "help", rest: [] } : { name: DEFAULT_COMMAND, rest: argv };
  }
  const second = words.find((word) =>
    word.at > first.at && (NAMES.includes(`${first.text} ${word.text}`) || !word.afterFlag)
  );
  const pair = `${first.text} ${second?.text}`;
  const typed = NAMES.includes(pair) ? pair : first.text;
  if (NAMES.includes(typed)) {
    const name = ALIASES[typed] ?? typed;
    if (wantsHelp) return { name: "help", rest: name.split(" ") };
    const own = [first.at, typed === pair ? second?.at : undefined];
    return { name, rest: argv.filter((_, at) => !own.includes(at)) };
  }
  if (!isKnown(first.text)) {
    throw unknownCommand(first.text, nearest(first.text, NAMES) ?? nearest(first.text, FIRST_WORDS));
  }
  if (second === undefined && wantsHelp) return { name: "help", rest: [first.text] };
  const group = NAMES.filter((one) => one.startsWith(`${first.text} `));
  const hint = `use ${group.filter((one) => !(one in ALIASES)).map((one) => `aim ${one}`).join(", ")}`;
  if (second === undefined) {
    throw new AimError("usage", `aim ${first.text} needs a subcommand`, { hint });
  }
  const near = nearest(second.text, group.map((one) => one.slice(first.text.length + 1)));
  throw unknownCommand(pair, near === null ? null : `${first.text} ${near}`, hint);
}

function unknownCommand(typed: string, near: string | null, otherwise = "see aim help"): AimError {
  const hint = near === null ? otherwise : `did you mean aim ${ALIASES[near] ?? near}?`;
  return new AimError("usage", `unknown command ${JSON.stringify(typed)}`, { hint });
}

/** Commands' own flags that take no value. */
const ALONE: ReadonlySet<string> = new Set(["-q", "--quiet", "--json", "-v", "--verbose"]);

/** Settings' flags whose value is the next word. */
const TAKES_NEXT: ReadonlySet<string> = new Set(
  Object.values<Setting>(SETTINGS)
    .filter((s) => s.flag !== null && s.type.kind !== "boolean")
    .flatMap((s) => [s.flag, ...s.flagAliases].map((f) => `--${f}`)),
);

interface Word {
  readonly text: string;
  readonly at: number;
  /** It follows a command's own flag, and may be that flag's value. */
  readonly afterFlag: boolean;
}

function wordsOf(argv: readonly string[]): Word[] {
  return argv.flatMap((text, at) => {
    const before = argv[at - 1] ?? "";
    if (TAKES_NEXT.has(before) || (text !== "-" && text.startsWith("-"))) return [];
    return [{ text, at, afterFlag: /^-[^=]+$/.test(before) && !ALONE.has(before) }];
  });
}
