import { isList, isMap, isNumberLiteral, pythonFloat } from "../profiles/number_literal.ts";
import type { ConfigValue } from "../profiles/types.ts";

/**
 * A value as Python's `json.dumps` writes it: separators `", "` and `": "`, everything beyond ASCII escaped.
 * A number keeps its spelling where JSON has that spelling; otherwise Python's (`.5` becomes `0.5`).
 */
export function pythonJson(value: ConfigValue): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "string") return quote(value);
  if (isNumberLiteral(value)) return JSON_NUMBER.test(value.text) ? value.text : jsonFloat(value.value);
  if (isList(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (isMap(value)) {
    return `{${[...value].map(([key, item]) => `${quote(key)}: ${pythonJson(item)}`).join(", ")}}`;
  }
  return "null";
}

const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;

// Python's json writes these three where JSON has no spelling.
function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return pythonFloat(value);
}

// `ensure_ascii`: JSON.stringify escapes controls, quote and backslash; DEL and what follows is left to do.
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
