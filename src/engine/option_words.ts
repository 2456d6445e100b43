import { type ConfigValue, isList, isMap, isNumberLiteral } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";

/**
 * An argument's value as words of a command line: none for `null` and a boolean, one for each item of a list,
 * JSON for a mapping, else its text; numbers as they were spelled.
 */
export function optionWords(value: ConfigValue): string[] {
  if (value === null || typeof value === "boolean") return [];
  return isList(value) ? value.map(wordOf) : [wordOf(value)];
}

// Inside a list, what Python's str() writes.
function wordOf(value: ConfigValue): string {
  if (typeof value === "string") return value;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (isNumberLiteral(value)) return value.text;
  return isMap(value) || isList(value) ? pythonJson(value) : "";
}
