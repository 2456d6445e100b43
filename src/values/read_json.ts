import { type ConfigValue, numberLiteral } from "./value.ts";

// Deeper than any engine argument, and far from the end of the stack.
const MAX_DEPTH = 64;

/**
 * Reads JSON; numbers keep their spelling. Keys that look like array indices come first, as everywhere in
 * JavaScript.
 *
 * @throws {SyntaxError} not JSON, the same key twice in an object, or nested more than 64 deep; the message
 * is one clause.
 */
export function readJson(text: string): ConfigValue {
  refuse(text);
  return JSON.parse(text, (_, item, { source }): unknown => {
    if (typeof item === "number") return numberLiteral(item, source);
    return typeof item !== "object" || item === null || Array.isArray(item)
      ? item
      : new Map(Object.entries(item));
  }) as ConfigValue;
}

/** Refuses what `JSON.parse` accepts: it silently keeps the last of two equal keys. */
function refuse(text: string): void {
  const open: Set<string>[] = [];
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*(:)?|[[\]{}]/g)) {
    if (token === "[" || token === "{") open.push(new Set());
    else if (token === "]" || token === "}") open.pop();
    else if (colon !== undefined && string !== undefined) {
      const key = keyOf(string);
      if (open.at(-1)?.has(key)) throw new SyntaxError(`it has the key ${JSON.stringify(key)} twice`);
      open.at(-1)?.add(key);
    }
    if (open.length > MAX_DEPTH) throw new SyntaxError(`it is nested more than ${MAX_DEPTH} deep`);
  }
}

function keyOf(string: string): string {
  try {
    return JSON.parse(string);
  } catch {
    return string; // JSON.parse of the complete text says what is wrong with it.
  }
}
