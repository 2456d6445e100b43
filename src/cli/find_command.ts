import { nearest } from "../config/nearest.ts";
import { type Setting, SETTINGS } from "../config/settings.ts";
import { AimError } from "../errors/aim_error.ts";

/** What argv asks for. */
export type Call =
  | { readonly kind: "version" }
  /** `topic` is a command, a group of commands, or null for the overview. */
  | { readonly kind: "help"; readonly topic: string | null }
  /** `rest` is argv without the words of the command. */
  | { readonly kind: "command"; readonly name: string; readonly rest: readonly string[] };

/** Flags of commands without a value: the next word is not theirs. */
const ALONE: ReadonlySet<string> = new Set(["-q", "--quiet", "--json", "-v", "--verbose"]);

/** Flags of settings with a value in the next word. */
const TAKES_NEXT: ReadonlySet<string> = new Set(
  Object.values<Setting>(SETTINGS)
    .filter((s) => s.flag !== null && s.type.kind !== "boolean")
    .flatMap((s) => [s.flag, ...s.flagAliases].map((f) => `--${f}`)),
);

/**
 * Finds the command's words in argv: the first word that is neither a flag nor a flag's value. Anywhere
 * before `--`, `--help`, `-h`, `--version` and `-V` override the command. If the first word is a model, it is
 * for the default command.
 *
 * @param names All commands, such as `dry-run` and `cache verify`.
 * @param aliases Other names, of one or two words.
 * @throws {AimError} `usage` for an unknown command, with the nearest one.
 */
export function findCommand(
  argv: readonly string[],
  names: readonly string[],
  byDefault: string,
  aliases: Readonly<Record<string, string>> = {},
): Call {
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length;
  const words = wordsOf(argv, end);
  const all = [...names, ...Object.keys(aliases)];
  const firsts = new Set([...all.map((n) => n.split(" ")[0] ?? n), "version"]);
  // After a command's own flag, a word may be its value: it counts only if it is a command's name.
  const first = words.find((w) => firsts.has(w.text) || !w.afterFlag);
  const before = argv.slice(0, end);
  const wantsHelp = before.some((a) => a === "--help" || a === "-h");
  const wantsVersion = first?.text === "version" || before.some((a) => a === "--version" || a === "-V");
  if (!wantsHelp && wantsVersion) return { kind: "version" };
  if (first === undefined || (!firsts.has(first.text) && /[/:]/.test(first.text))) {
    return wantsHelp ? { kind: "help", topic: null } : { kind: "command", name: byDefault, rest: argv };
  }
  if (!firsts.has(first.text)) throw unknownCommand(first.text, names, aliases);
  const called = (name: string, at: readonly number[]): Call => {
    const command = aliases[name] ?? name;
    if (wantsHelp) return { kind: "help", topic: command };
    return { kind: "command", name: command, rest: argv.filter((_, i) => !at.includes(i)) };
  };
  const seconds = all.filter((n) => n.startsWith(`${first.text} `)).map((n) =>
    n.slice(first.text.length + 1)
  );
  const second = words.find((w) => w.at > first.at && (seconds.includes(w.text) || !w.afterFlag));
  if (second !== undefined && seconds.includes(second.text)) {
    return called(`${first.text} ${second.text}`, [first.at, second.at]);
  }
  if (all.includes(first.text)) return called(first.text, [first.at]);
  if (second === undefined) {
    if (wantsHelp) return { kind: "help", topic: first.text };
    throw new AimError("usage", `aim ${first.text} needs one more word`, {
      hint: `use ${listOf(first.text, names)}`,
    });
  }
  const near = nearest(second.text, seconds);
  const meant = near === null ? null : `${first.text} ${near}`;
  throw new AimError("usage", `unknown command ${JSON.stringify(`${first.text} ${second.text}`)}`, {
    hint: meant === null
      ? `use ${listOf(first.text, names)}`
      : `did you mean aim ${aliases[meant] ?? meant}?`,
  });
}

interface Word {
  readonly text: string;
  readonly at: number;
  /** It follows a command's own flag, and may be that flag's value. */
  readonly afterFlag: boolean;
}

function wordsOf(argv: readonly string[], end: number): Word[] {
  const words: Word[] = [];
  for (let at = 0; at < end; at++) {
    const text = argv[at] ?? "";
    if (TAKES_NEXT.has(text)) at++;
    else if (text === "-" || !text.startsWith("-")) {
      const before = argv[at - 1] ?? "";
      words.push({ text, at, afterFlag: /^-[^=]+$/.test(before) && !ALONE.has(before) });
    }
  }
  return words;
}

function unknownCommand(
  word: string,
  names: readonly string[],
  aliases: Readonly<Record<string, string>>,
): AimError {
  const all = [...names, ...Object.keys(aliases)];
  const near = nearest(word, all) ?? nearest(word, new Set(names.map((n) => n.split(" ")[0] ?? n)));
  return new AimError("usage", `unknown command ${JSON.stringify(word)}`, {
    hint: near === null ? "see aim help" : `did you mean aim ${aliases[near] ?? near}?`,
  });
}

function listOf(word: string, names: readonly string[]): string {
  return names.filter((name) => name.startsWith(`${word} `)).map((name) => `aim ${name}`).join(", ");
}
