import type { ConfigMap, ConfigValue } from "./value.ts";
import { plainScalar } from "./yaml_scalar.ts";

/**
 * Reads the YAML that profiles are written in, and nothing else: nested mappings, one entry a line, indented
 * by spaces, with single-line scalars (plain without spaces, or in quotes without escapes) and comments.
 * `null`: the text has anything beyond that, and the full reader has to say what it means.
 *
 * It exists for start-up: a YAML library takes longer to load than everything else `aim` does before it
 * starts the engine. Whatever it does read, it reads as the full reader does, which a test holds it to.
 */
export function readPlainYaml(text: string): ConfigMap | null {
  const root: Level = { indent: 0, map: new Map() };
  const open: Level[] = [root];
  /** The entry that has no value yet: lines further in belong to it. */
  let pending: { level: Level; key: string } | null = null;
  for (const line of text.split("\n")) {
    if (BLANK.test(line)) continue;
    const entry = ENTRY.exec(line);
    if (entry === null) return null;
    const [, spaces = "", key = "", rest = ""] = entry;
    const indent = spaces.length;
    let level = open.at(-1);
    if (pending !== null && indent > pending.level.indent) {
      level = { indent, map: new Map() };
      pending.level.map.set(pending.key, level.map);
      open.push(level);
    } else {
      while (level !== undefined && level.indent > indent) {
        open.pop();
        level = open.at(-1);
      }
    }
    if (level === undefined || level.indent !== indent) return null;
    const keyMeans = plainScalar(key);
    if (keyMeans.kind !== "value" || keyMeans.value !== key || level.map.has(key)) return null;
    const value = scalarOf(rest);
    if (value === undefined) return null;
    level.map.set(key, value);
    pending = rest === "" ? { level, key } : null;
  }
  return root.map.size === 0 ? null : root.map;
}

interface Level {
  readonly indent: number;
  readonly map: Map<string, ConfigValue>;
}

const BLANK = /^(?: *(?:#[\t\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe]*)?)$/;
// Key, colon, then nothing or a scalar, then perhaps a comment.
const ENTRY = new RegExp(
  "^( *)([A-Za-z_][A-Za-z0-9_./-]*):" +
    "(?: +([A-Za-z0-9_./+-](?:[A-Za-z0-9_./+:,-]*[A-Za-z0-9_./+-])?|'[\\x20-\\x26\\x28-\\x7e]*'|\"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*\"))?" +
    "(?: *| +#[\\t\\x20-\\x7e]*)$",
);

/** `undefined`: not one this reader knows. */
function scalarOf(text: string): ConfigValue | undefined {
  if (text === "") return null;
  if (text.startsWith("'") || text.startsWith('"')) return text.slice(1, -1);
  // "-" and "..." have meanings of their own.
  if (/^(?:-|\.\.\.|---.*)$/.test(text)) return undefined;
  const means = plainScalar(text);
  return means.kind === "value" ? means.value : undefined;
}
