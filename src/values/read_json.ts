import { type ConfigValue, numberLiteral } from "./value.ts";

// Deeper than any engine argument, and far from a stack overflow.
const MAX_DEPTH = 64;

/**
 * Reads JSON; numbers keep their spelling. Keys that look like array indices come first, as everywhere in
 * JavaScript.
 *
 * @throws {SyntaxError} Not JSON, or nested more than 64 levels deep; the message is one clause.
 */
export function readJson(text: string): ConfigValue {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === "[" || token === "{") depth++;
    else if (token === "]" || token === "}") depth--;
    if (depth > MAX_DEPTH) throw new SyntaxError(`it is nested more than ${MAX_DEPTH} levels deep`);
  }
  return JSON.parse(text, (_, item, { source }): unknown => {
    if (typeof item === "number") return numberLiteral(item, source);
    return typeof item !== "object" || item === null || Array.isArray(item)
      ? item
      : new Map(Object.entries(item));
  }) as ConfigValue;
}
