import { type ConfigValue, isNumberLiteral } from "./value.ts";

/** What Python's `str()` makes of a scalar: `true` becomes `True`. `""` for everything else. */
export function pythonText(value: ConfigValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return isNumberLiteral(value) ? value.text : "";
}
