import { type ConfigValue, numberLiteral } from "./value.ts";

// Deeper than any engine argument, and far from the end of the stack.
const MAX_DEPTH = 64;

/**
 * Reads JSON; numbers keep their spelling. Keys that look like array indices come first, as everywhere in JavaScript.
 *
 * @throws {SyntaxError} not JSON, the same key twice in an object, or nested more than 64 deep; the message is one clause.
 */
export function readJson(text: string): ConfigValue {
  const written = keysIn(text);
  const value = JSON.parse(text, (_, item, { source }): unknown => {
    if (typeof item === "number") return numberLiteral(item, source);
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    for (const key of Object.keys(item)) written.splice(written.lastIndexOf(key), 1);
    return new Map(Object.entries(item));
  });
  const [twice] = written;
  if (twice !== undefined) throw new SyntaxError(`it has the key ${JSON.stringify(twice)} twice`);
  return value as ConfigValue;
}

/** Every key as often as it is written: `JSON.parse` silently keeps the last of two. */
function keysIn(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*(:)?|[[\]{}]/g)) {
    if (colon !== undefined && string !== undefined) keys.push(keyOf(string));
    else if (token === "[" || token === "{") depth++;
    else if (token === "]" || token === "}") depth--;
    if (depth > MAX_DEPTH) throw new SyntaxError(`it is nested more than ${MAX_DEPTH} deep`);
  }
  return keys;
}

function keyOf(string: string): string {
  try {
    return JSON.parse(string);
  } catch {
    return string; // JSON.parse of the whole text says what is wrong with it.
  }
}
