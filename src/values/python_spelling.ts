import { type ConfigValue, isNumberLiteral } from "./value.ts";

/**
 * A float as Python's `repr` writes it: `1000.0`, `1e+16`, `1e-07`, `inf`, `nan`. Both languages print the
 * same shortest digits, but switch to an exponent at different sizes and pad it differently.
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

/** What Python's `str()` makes of a scalar: `true` becomes `True`. `""` for everything else. */
export function pythonText(value: ConfigValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return isNumberLiteral(value) ? value.text : "";
}
