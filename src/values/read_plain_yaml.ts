import type { ConfigMap, ConfigValue } from "./value.ts";
import { plainScalar } from "./yaml_scalar.ts";

/**
 * Reads the YAML that most profiles are written in: nested mappings, one entry per line, indented by spaces,
 * with single-line scalars (plain without spaces, or in quotes without escapes) and comments. `null` if the
 * text has anything else: the full reader must read it.
 *
 * It exists for start-up: the YAML library takes longer to load than everything else that `aim` does before
 * it starts the engine, and ten times as long to read the general profiles. A test compares both readers.
 */
export function readPlainYaml(text: string): ConfigMap | null {
  const root = new Map<string, ConfigValue>();
  /** Mappings that the next line may belong to, the innermost last. */
  const open = [{ indent: 0, map: root }];
  /** The last key, if it has no value yet: lines further in belong to it. */
  let pending: string | null = null;
  for (const line of text.split("\n")) {
    // Cached: a hundred profiles have a few dozen different lines.
    let entry = LINES.get(line);
    if (entry === undefined) LINES.set(line, entry = entryOf(line));
    if (entry === "blank") continue;
    if (entry === "other") return null;
    const { indent, key, value, isBare } = entry;
    let level = open.at(-1);
    if (level !== undefined && pending !== null && indent > level.indent) {
      const map = new Map<string, ConfigValue>();
      level.map.set(pending, map);
      open.push(level = { indent, map });
    } else {
      while (level !== undefined && indent < level.indent) {
        open.pop();
        level = open.at(-1);
      }
    }
    if (level?.indent !== indent || level.map.has(key)) return null;
    level.map.set(key, value);
    pending = isBare ? key : null;
  }
  return root.size === 0 ? null : root;
}

interface Entry {
  readonly indent: number;
  readonly key: string;
  readonly value: ConfigValue;
  /** Nothing follows the colon: the value may be on the lines below. */
  readonly isBare: boolean;
}

const LINES = new Map<string, Entry | "blank" | "other">();

const BLANK = /^(?: *(?:#[\t\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe]*)?)$/;
// Key, colon, then nothing or a scalar, then perhaps a comment.
const ENTRY = new RegExp(
  "^( *)([A-Za-z_][A-Za-z0-9_./-]*):" +
    "(?: +([A-Za-z0-9_./+-](?:[A-Za-z0-9_./+:,-]*[A-Za-z0-9_./+-])?|'[\\x20-\\x26\\x28-\\x7e]*'|\"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*\"))?" +
    "(?: *| +#[\\t\\x20-\\x7e]*)$",
);

function entryOf(line: string): Entry | "blank" | "other" {
  if (BLANK.test(line)) return "blank";
  const [, spaces = "", key = "", rest = ""] = ENTRY.exec(line) ?? [];
  const value = scalarOf(rest);
  if (plainScalar(key) !== key || value === undefined) return "other";
  return { indent: spaces.length, key, value, isBare: rest === "" };
}

/** `undefined` for a scalar that the full reader must read. */
function scalarOf(text: string): ConfigValue | undefined {
  if (text === "") return null;
  if (text.startsWith("'") || text.startsWith('"')) return text.slice(1, -1);
  // "-" and "..." are not text.
  if (/^(?:-|\.\.\.|---.*)$/.test(text)) return undefined;
  const means = plainScalar(text);
  return means instanceof SyntaxError ? undefined : means;
}
