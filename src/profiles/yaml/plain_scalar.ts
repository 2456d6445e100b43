import { numberLiteral, pythonFloat } from "../number_literal.ts";
import type { ConfigValue } from "../types.ts";

/** What an unquoted scalar means: a value, a merge key, or a fault in words. */
export type PlainScalar =
  | { readonly kind: "value"; readonly value: ConfigValue }
  | { readonly kind: "merge" }
  | { readonly kind: "fault"; readonly reason: string };

/**
 * What an unquoted scalar means to PyYAML's SafeLoader (YAML 1.1): `yes` and `off` are booleans, `010` is octal, `1:30` is
 * ninety, `1e3` is text while `1.0e+3` is a float. The patterns are those of PyYAML 6, `yaml/resolver.py`.
 *
 * A float keeps its spelling where Python's `float()` reads it; integers are given in decimal, as Python prints them.
 * Timestamps become the text that Python prints for them.
 */
export function plainScalar(text: string): PlainScalar {
  if (text === "") return value(null);
  // By their first character, as PyYAML does: the first use of a pattern compiles it, and most scalars need none.
  const first = text.charAt(0);
  if ("yYnNtTfFoO".includes(first) && BOOLEAN.test(text)) return value(/^(?:yes|true|on)$/i.test(text));
  if ("~nN".includes(first) && NULL.test(text)) return value(null);
  if (text === "<<") return { kind: "merge" };
  if (text === "=") {
    return { kind: "fault", reason: '"=" alone has a meaning of its own in YAML 1.1; put it in quotes' };
  }
  if (!"-+.0123456789".includes(first)) return value(text);
  if (DECIMAL.test(text)) return value(numberLiteral(Number(text), text));
  if (INTEGER.test(text)) return integer(text);
  if (FLOAT.test(text)) return float(text);
  if (TIMESTAMP.test(text)) return timestamp(text);
  return value(text);
}

/** The scalar with an explicit tag `!!int`, `!!float`, `!!bool`, `!!null` or `!!str`; `null` where the tag is another. */
export function taggedScalar(tag: string, text: string): PlainScalar | null {
  switch (tag) {
    case "tag:yaml.org,2002:str":
    case "!":
      return value(text);
    case "tag:yaml.org,2002:null":
      return value(null);
    case "tag:yaml.org,2002:bool":
      return /^(?:yes|no|true|false|on|off)$/i.test(text)
        ? value(/^(?:yes|true|on)$/i.test(text))
        : notOne(text, "boolean");
    case "tag:yaml.org,2002:int":
      return INTEGER.test(text) ? integer(text) : notOne(text, "integer");
    case "tag:yaml.org,2002:float":
      if (FLOAT.test(text)) return float(text);
      return /^[-+]?[0-9]+(?:[eE][-+]?[0-9]+)?$/.test(text)
        ? value(numberLiteral(Number(text), pythonFloat(Number(text))))
        : notOne(text, "float");
    case "tag:yaml.org,2002:timestamp":
      return TIMESTAMP.test(text) ? timestamp(text) : notOne(text, "timestamp");
    default:
      return null;
  }
}

const BOOLEAN = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
/** Of the integers and floats, those that stay as they are spelled. */
const DECIMAL = /^(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?$/;
const INTEGER =
  /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const TIMESTAMP =
  /^(?:([0-9]{4})-([0-9]{2})-([0-9]{2})|([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(Z|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?)$/;

function value(of: ConfigValue): PlainScalar {
  return { kind: "value", value: of };
}

function notOne(text: string, type: string): PlainScalar {
  return { kind: "fault", reason: `${JSON.stringify(text)} is not one of YAML's ${type}s` };
}

function integer(text: string): PlainScalar {
  const digits = text.replaceAll("_", "");
  const negative = digits.startsWith("-");
  const body = digits.replace(/^[-+]/, "");
  const whole = wholeNumber(body);
  // Only underscores after the prefix: Python's int() refuses them too.
  if (whole === null) return notOne(text, "integer");
  const signed = negative ? -whole : whole;
  return value(numberLiteral(Number(signed), String(signed)));
}

function wholeNumber(body: string): bigint | null {
  if (/^0[bx]$/.test(body)) return null;
  if (/^0[bx]/.test(body)) return BigInt(body);
  if (body.includes(":")) return body.split(":").reduce((sum, part) => sum * 60n + BigInt(part), 0n);
  return /^0./.test(body) ? BigInt(`0o${body.slice(1)}`) : BigInt(body);
}

function float(text: string): PlainScalar {
  const plain = text.replaceAll("_", "").toLowerCase();
  const sign = plain.startsWith("-") ? -1 : 1;
  const body = plain.replace(/^[-+]/, "");
  if (body === ".inf" || body === ".nan") {
    const special = body === ".nan" ? NaN : sign * Infinity;
    return value(numberLiteral(special, pythonFloat(special)));
  }
  if (body.includes(":")) {
    const seconds = sign * body.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
    return value(numberLiteral(seconds, pythonFloat(seconds)));
  }
  const number = sign * Number(body);
  return value(numberLiteral(number, text.includes("_") ? pythonFloat(number) : text));
}

function timestamp(text: string): PlainScalar {
  const found = TIMESTAMP.exec(text) ?? [];
  const part = (index: number) => Number(found[index] ?? 0);
  const [year, month, day] = found[1] === undefined
    ? [part(4), part(5), part(6)]
    : [part(1), part(2), part(3)];
  const [hour, minute, second] = [part(7), part(8), part(9)];
  const exists = year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month) &&
    hour < 24 && minute < 60 && second < 60;
  if (!exists) return { kind: "fault", reason: `${text} is not a date that exists; put it in quotes` };
  const two = (n: number) => String(n).padStart(2, "0");
  const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
  if (found[1] !== undefined) return value(date);
  const micros = (found[10] ?? "").slice(0, 6).padEnd(6, "0");
  const fraction = Number(micros) === 0 ? "" : `.${micros}`;
  const zone = found[11] === undefined
    ? ""
    : found[11] === "Z" || part(13) + part(14) === 0
    ? "+00:00"
    : `${found[12]}${two(part(13))}:${two(part(14))}`;
  return value(`${date} ${two(hour)}:${two(minute)}:${two(second)}${fraction}${zone}`);
}

function daysIn(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
}
