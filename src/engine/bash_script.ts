import { AimError } from "../errors/aim_error.ts";
import { printable } from "../log/printable.ts";

/**
 * A bash script that becomes the process: one `export` a variable, then `exec` on one line, every word quoted
 * if the shell would otherwise read something into it.
 *
 * @param references Parts of values that the script takes from its environment: `$OPENAI_API_KEY`.
 * @throws {AimError} `usage`: a name that no shell variable can have, or NUL in a value.
 */
export function renderBashScript({ env, argv, references }: {
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
  readonly references?: ReadonlySet<string>;
}): string {
  const exports = Object.entries(env).map(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new AimError("usage", `${JSON.stringify(name)} is not a valid name of an environment variable`, {
        hint: "use letters, digits and _ in the profile's env_vars",
      });
    }
    return `export ${name}=${shellWord(value, references)}`;
  });
  return [
    "#!/bin/bash",
    ...exports,
    `exec ${argv.map((word) => shellWord(word, references)).join(" ")}`,
    "",
  ].join("\n");
}

/**
 * A word as bash reads it back: bare if nothing in it is special, else in single quotes; with control
 * characters as `$'…'`, so that the script can be shown on a terminal. References to variables are in double
 * quotes.
 *
 * @throws {AimError} `usage` if it contains NUL.
 */
export function shellWord(word: string, references: ReadonlySet<string> = new Set()): string {
  if (word.includes("\0")) {
    throw new AimError("usage", `${JSON.stringify(word)} contains NUL and cannot go into a script`);
  }
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
    return one === "\n" || printable(one) === one ? one : bytesOf(one);
  });
  return `$'${characters.join("")}'`;
}

/** UTF-8 as `\xNN`, which bash understands in every locale. */
function bytesOf(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(
    "",
  );
}
