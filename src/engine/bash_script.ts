import { printable } from "../log/printable.ts";

/**
 * A bash script that becomes the process: one `export` a variable, then `exec` on one line, every word quoted
 * if the shell would otherwise read something into it.
 *
 * @param references Parts of values that the script takes from its environment: `$OPENAI_API_KEY`.
 */
export function renderBashScript({ env, argv, references }: {
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
  readonly references?: ReadonlySet<string>;
}): string {
  return [
    "#!/bin/bash",
    ...Object.entries(env).map(([name, value]) => `export ${name}=${shellWord(value, references)}`),
    `exec ${argv.map((word) => shellWord(word, references)).join(" ")}`,
    "",
  ].join("\n");
}

/**
 * A word as bash reads it back: bare if nothing in it is special, else in single quotes; with control
 * characters as `$'…'`, so that the script can be shown on a terminal. References to variables are in double
 * quotes.
 */
export function shellWord(word: string, references: ReadonlySet<string> = new Set()): string {
  const parts = references.size === 0 ? [word] : word.split(/(\$[A-Z0-9_]+)/).filter((part) => part !== "");
  return parts.length === 0
    ? "''"
    : parts.map((part) => references.has(part) ? `"${part}"` : quoted(part)).join("");
}

function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  const shown = printable(word, "\n");
  if (shown === word) return `'${word.replaceAll("'", `'\\''`)}'`;
  const characters = [...word].map((one) => {
    if (one === "'" || one === "\\") return `\\${one}`;
    if (one === "\n" || printable(one) === one) return one;
    // UTF-8 as \xNN, which bash understands in every locale.
    return new TextEncoder().encode(one).toHex().replaceAll(/../g, "\\x$&");
  });
  return `$'${characters.join("")}'`;
}
