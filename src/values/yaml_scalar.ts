import { pythonFloat } from "./python_spelling.ts";
import { type ConfigValue, numberLiteral } from "./value.ts";

/** What a scalar means: a value, the merge key `<<`, or why it means nothing. */
export type YamlScalar =
  | { readonly kind: "value"; readonly value: ConfigValue }
  | { readonly kind: "merge" }
  | { readonly kind: "fault"; readonly reason: string };

/**
 * What an unquoted scalar means to PyYAML's SafeLoader (YAML 1.1): `yes` and `off` are booleans, `010` is
 * octal, `1:30` is ninety, `1e3` is text and `1.0e+3` a float. The patterns are those of PyYAML 6,
 * `yaml/resolver.py`.
 *
 * Integers are given in decimal, as Python prints them; a float keeps its spelling if Python's `float()`
 * reads it. A date stays text, which is what Python prints for it; a time of day with a date is refused,
 * because Python would print it differently.
 */
export function plainScalar(text: string): YamlScalar {
  // By the first character, as PyYAML does: compiling a pattern takes time, and most scalars need none.
  const first = text.charAt(0);
  if (text === "" || ("~nN".includes(first) && NULL.test(text))) return value(null);
  if ("yYnNtTfFoO".includes(first) && BOOLEAN.test(text)) return value(TRUE.test(text));
  if (text === "<<") return { kind: "merge" };
  if (text === "=") return fault('"=" alone has a meaning of its own in YAML 1.1; put it in quotes');
  if (!"-+.0123456789".includes(first)) return value(text);
  if (DECIMAL.test(text)) return value(numberLiteral(Number(text), text));
  if (INTEGER.test(text)) return integer(text);
  if (FLOAT.test(text)) return float(text);
  return TIME.test(text) ? fault(`${text} is a point in time in YAML 1.1; put it in quotes`) : value(text);
}

/** What a scalar with one of the tags `!!null`, `!!bool`, `!!int` and `!!float` means. */
export function taggedScalar(tag: "null" | "bool" | "int" | "float", text: string): YamlScalar {
  if (tag === "null") return value(null);
  if (tag === "float" && WHOLE.test(text)) {
    return value(numberLiteral(Number(text), pythonFloat(Number(text))));
  }
  const fits = { bool: BOOLEAN, int: INTEGER, float: FLOAT }[tag].test(text);
  return fits ? plainScalar(text) : fault(`${JSON.stringify(text)} does not fit its tag !!${tag}`);
}

const NULL = /^(?:~|null|Null|NULL)$/;
const TRUE = /^(?:yes|true|on)$/i;
const BOOLEAN = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
/** Of the integers and floats, those that stay as they are spelled. */
const DECIMAL = /^(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?$/;
const INTEGER =
  /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
/** What Python's float() reads and YAML 1.1 does not call a float. */
const WHOLE = /^[-+]?[0-9]+(?:[eE][-+]?[0-9]+)?$/;
const TIME = /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}/;

function value(of: ConfigValue): YamlScalar {
  return { kind: "value", value: of };
}

function fault(reason: string): YamlScalar {
  return { kind: "fault", reason };
}

function integer(text: string): YamlScalar {
  const digits = text.replaceAll("_", "");
  const body = digits.replace(/^[-+]/, "");
  // Only underscores after the prefix: Python's int() refuses them too.
  if (/^0[bx]$/.test(body)) return fault(`${text} is not an integer`);
  const whole = /^0[bx]/.test(body)
    ? BigInt(body)
    : body.includes(":")
    ? body.split(":").reduce((sum, part) => sum * 60n + BigInt(part), 0n)
    : BigInt(/^0./.test(body) ? `0o${body.slice(1)}` : body);
  const signed = digits.startsWith("-") ? -whole : whole;
  return value(numberLiteral(Number(signed), String(signed)));
}

function float(text: string): YamlScalar {
  const plain = text.replaceAll("_", "").toLowerCase();
  const sign = plain.startsWith("-") ? -1 : 1;
  const body = plain.replace(/^[-+]/, "");
  const special = body === ".inf" ? Infinity : body === ".nan" ? NaN : null;
  const number = sign * (special ?? body.split(":").reduce((sum, part) => sum * 60 + Number(part), 0));
  const asSpelled = special === null && !/[_:]/.test(text);
  return value(numberLiteral(number, asSpelled ? text : pythonFloat(number)));
}
