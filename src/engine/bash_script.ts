import { printable } from "../log/printable.ts";

/**
 * A bash script that becomes the engine: one `export` per variable, then `exec` on one line.
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

/** A word for bash: bare if nothing in it is special, else quoted. */
export function shellWord(word: string, references: ReadonlySet<string> = new Set()): string {
  if (references.size === 0 || word === "") return quoted(word);
  const parts = word.split(/(\$[A-Z0-9_]+)/).filter((part) => part !== "");
  return parts.map((part) => references.has(part) ? `"${part}"` : quoted(part)).join("");
}

function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (printable(word, "\n") === word) return `'${word.replaceAll("'", `'\\''`)}'`;
  // Control characters as `$'…'`, so that the script is safe to show on a terminal.
  const characters = [...word].map((one) => {
    if (one === "'" || one === "\\") return `\\${one}`;
    if (one === "\n" || printable(one) === one) return one;
    // UTF-8 as \xNN, which bash understands in every locale.
    return new TextEncoder().encode(one).toHex().replaceAll(/../g, "\\x$&");
  });
  return `$'${characters.join("")}'`;
}
