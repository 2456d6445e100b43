import { pythonFloat } from "./python_spelling.ts";
import { type ConfigValue, isList, isMap, isNumberLiteral, type NumberLiteral } from "./value.ts";

/** A value in JSON's types. @param number By default as it is spelled; `inf` and `nan` become `null`. */
export function jsonValue(value: ConfigValue, number: (literal: NumberLiteral) => unknown = raw): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map((item) => jsonValue(item, number));
  if (isMap(value)) {
    return Object.fromEntries([...value].map(([key, item]) => [key, jsonValue(item, number)]));
  }
  return isNumberLiteral(value) ? number(value) : null;
}

function raw(literal: NumberLiteral): unknown {
  return Number.isFinite(literal.value) ? JSON.rawJSON(jsonNumber(literal)) : null;
}

/** A value as Python's `json.dumps` writes it: `", "` and `": "`, ASCII only, `Infinity` and `NaN`. */
export function pythonJson(value: ConfigValue): string {
  if (typeof value === "string") return asciiString(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (isList(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (isMap(value)) {
    return `{${[...value].map(([key, item]) => `${asciiString(key)}: ${pythonJson(item)}`).join(", ")}}`;
  }
  return isNumberLiteral(value) ? jsonNumber(value) : "null";
}

const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;

/** A number's own spelling if JSON allows it, else Python's: `.5` becomes `0.5`. */
function jsonNumber({ value, text }: NumberLiteral): string {
  if (JSON_NUMBER.test(text)) return text;
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? pythonFloat(value) : value > 0 ? "Infinity" : "-Infinity";
}

// JSON.stringify escapes controls, quote and backslash; `ensure_ascii` also DEL and everything above it.
function asciiString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
