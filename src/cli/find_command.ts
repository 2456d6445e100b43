import { nearest } from "../config/nearest.ts";
import { type Setting, SETTINGS } from "../config/settings.ts";
import { AimError } from "../errors/aim_error.ts";

/** What argv asks for, before the command itself is loaded. */
export type Call =
  | { readonly kind: "version" }
  /** `topic` is a command, a command group, or null for the overview. */
  | { readonly kind: "help"; readonly topic: string | null }
  /** `rest` is argv without the words of the command. */
  | { readonly kind: "command"; readonly name: string; readonly rest: readonly string[] };

/** Flags of settings that take their value from the next word. */
const TAKES_NEXT: ReadonlySet<string> = new Set(
  Object.values<Setting>(SETTINGS)
    .filter((s) => s.flag !== null && s.type.kind !== "boolean")
    .flatMap((s) => [s.flag, ...s.flagAliases ?? []].map((f) => `--${f}`)),
);

/**
 * Finds the command's words in argv: the first word that is no flag and no flag's value. Flags may stand before it.
 * `--help`, `-h` and `--version` win wherever they stand before `--`.
 *
 * @param names All commands, as `dry-run` and `cache verify`.
 * @throws {AimError} `usage` for an unknown command, with the nearest one.
 */
export function findCommand(argv: readonly string[], names: readonly string[], byDefault: string): Call {
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length;
  const words = wordsOf(argv, end);
  const firsts = new Set(names.map((n) => n.split(" ")[0] ?? n));
  // A flag that only some commands know may take the word after it: there a word counts only if it names a command.
  const first = words.find((w) => firsts.has(w.text) || !w.afterFlag);
  const before = argv.slice(0, end);
  const wantsHelp = before.some((a) => a === "--help" || a === "-h");
  if (!wantsHelp && before.includes("--version")) return { kind: "version" };
  if (first === undefined) {
    return wantsHelp ? { kind: "help", topic: null } : { kind: "command", name: byDefault, rest: argv };
  }
  if (!firsts.has(first.text)) throw unknownCommand(first.text, names);
  if (names.includes(first.text)) {
    if (wantsHelp) return { kind: "help", topic: first.text };
    return { kind: "command", name: first.text, rest: argv.toSpliced(first.at, 1) };
  }
  const seconds = names.filter((n) => n.startsWith(`${first.text} `)).map((n) =>
    n.slice(first.text.length + 1)
  );
  const second = words.find((w) => w.at > first.at && (seconds.includes(w.text) || !w.afterFlag));
  if (second === undefined) {
    if (wantsHelp) return { kind: "help", topic: first.text };
    throw new AimError("usage", `aim ${first.text} needs one more word`, {
      hint: `use ${listOf(first.text, seconds)}`,
    });
  }
  if (!seconds.includes(second.text)) {
    const near = nearest(second.text, seconds);
    throw new AimError("usage", `unknown command ${JSON.stringify(`${first.text} ${second.text}`)}`, {
      hint: near === null ? `use ${listOf(first.text, seconds)}` : `did you mean aim ${first.text} ${near}?`,
    });
  }
  const name = `${first.text} ${second.text}`;
  if (wantsHelp) return { kind: "help", topic: name };
  return { kind: "command", name, rest: argv.filter((_, i) => i !== first.at && i !== second.at) };
}

interface Word {
  readonly text: string;
  readonly at: number;
  /** It follows a flag that no setting has, so that it may be that flag's value. */
  readonly afterFlag: boolean;
}

function wordsOf(argv: readonly string[], end: number): Word[] {
  const words: Word[] = [];
  for (let at = 0; at < end; at++) {
    const text = argv[at] ?? "";
    if (TAKES_NEXT.has(text)) at++;
    else if (text === "-" || !text.startsWith("-")) {
      const before = argv[at - 1] ?? "";
      words.push({ text, at, afterFlag: before.startsWith("-") && !before.includes("=") });
    }
  }
  return words;
}

function unknownCommand(word: string, names: readonly string[]): AimError {
  const near = nearest(word, names) ?? nearest(word, new Set(names.map((n) => n.split(" ")[0] ?? n)));
  return new AimError("usage", `unknown command ${JSON.stringify(word)}`, {
    hint: near === null ? "see aim help" : `did you mean aim ${near}?`,
  });
}

function listOf(word: string, seconds: readonly string[]): string {
  return seconds.map((s) => `aim ${word} ${s}`).join(", ");
}
