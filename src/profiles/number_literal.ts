import type { ConfigValue, NumberLiteral } from "./types.ts";

/** Makes a number that keeps its spelling. */
export function numberLiteral(value: number, text: string): NumberLiteral {
  return { value, text };
}

/** True for numbers among configuration values. */
export function isNumberLiteral(value: ConfigValue): value is NumberLiteral {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map);
}

/** True for lists among configuration values. */
export function isList(value: ConfigValue): value is readonly ConfigValue[] {
  return Array.isArray(value);
}

/** True for mappings among configuration values. */
export function isMap(value: ConfigValue): value is ReadonlyMap<string, ConfigValue> {
  return value instanceof Map;
}

/**
 * A float as Python's `repr` writes it: `1000.0`, `1e+16`, `1e-07`, `inf`, `nan`.
 *
 * The shortest digits are the same in both languages; the switch to an exponent and its padding differ.
 */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  if (value === 0) return "0.0";
  const [digits = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const plain = exponent < 0 ? value.toFixed(digits.replace(/\D/g, "").length - 1 - exponent) : String(value);
  return plain.includes(".") ? plain : `${plain}.0`;
}
