import { pythonFloat } from "./python_spelling.ts";
import { type ConfigValue, numberLiteral } from "./value.ts";

/**
 * What an unquoted scalar means to PyYAML's SafeLoader (YAML 1.1): `yes` and `off` are booleans, `010` is
 * octal, `1:30` is ninety, `1e3` is text and `1.0e+3` a float. The patterns are those of PyYAML 6,
 * `yaml/resolver.py`.
 *
 * Integers are given in decimal, as Python prints them; a float keeps its spelling if Python's `float()`
 * reads it. A date stays text, as Python prints it; a date with a time is refused, since Python would print
 * it differently.
 *
 * @returns A `SyntaxError` if the scalar has no value: its message is one clause.
 */
export function plainScalar(text: string): ConfigValue | SyntaxError {
  // By the first character, as PyYAML does: compiling a pattern takes time, and most scalars need none.
  const first = text.charAt(0);
  if (text === "" || ("~nN".includes(first) && NULL.test(text))) return null;
  if ("yYnNtTfFoO".includes(first) && BOOLEAN.test(text)) return TRUE.test(text);
  if (text === "<<") return new SyntaxError('"<<" is a merge key, not a value; put it in quotes');
  if (text === "=") {
    return new SyntaxError('"=" is special in YAML 1.1; put it in quotes');
  }
  if (!"-+.0123456789".includes(first)) return text;
  if (DECIMAL.test(text)) return numberLiteral(Number(text), text);
  if (INTEGER.test(text)) return integer(text);
  if (FLOAT.test(text)) return float(text);
  if (TIME.test(text)) return new SyntaxError(`${text} is a timestamp in YAML 1.1; put it in quotes`);
  return text;
}

/** What a scalar with one of the tags `!!null`, `!!bool`, `!!int` and `!!float` means. */
export function taggedScalar(
  tag: "null" | "bool" | "int" | "float",
  text: string,
): ReturnType<typeof plainScalar> {
  if (tag === "null") return null;
  if (tag === "float" && WHOLE.test(text)) return numberLiteral(Number(text), pythonFloat(Number(text)));
  if ({ bool: BOOLEAN, int: INTEGER, float: FLOAT }[tag].test(text)) return plainScalar(text);
  return new SyntaxError(`${JSON.stringify(text)} does not fit its tag !!${tag}`);
}

const NULL = /^(?:~|null|Null|NULL)$/;
const TRUE = /^(?:yes|true|on)$/i;
const BOOLEAN = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
/** The integers and floats that keep their spelling. */
const DECIMAL = /^(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?$/;
const INTEGER =
  /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
/** What Python's float() accepts, although YAML 1.1 does not call it a float. */
const WHOLE = /^[-+]?[0-9]+(?:[eE][-+]?[0-9]+)?$/;
const TIME = /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}/;

function integer(text: string): ConfigValue | SyntaxError {
  const digits = text.replaceAll("_", "");
  const body = digits.replace(/^[-+]/, "");
  // Only underscores after the prefix: Python's int() refuses them too.
  if (/^0[bx]$/.test(body)) return new SyntaxError(`${text} is not an integer`);
  const whole = /^0[bx]/.test(body)
    ? BigInt(body)
    : body.includes(":")
    ? body.split(":").reduce((sum, part) => sum * 60n + BigInt(part), 0n)
    : BigInt(/^0./.test(body) ? `0o${body.slice(1)}` : body);
  const signed = digits.startsWith("-") ? -whole : whole;
  return numberLiteral(Number(signed), String(signed));
}

function float(text: string): ConfigValue {
  const plain = text.replaceAll("_", "").toLowerCase();
  const sign = plain.startsWith("-") ? -1 : 1;
  const body = plain.replace(/^[-+]/, "");
  const special = body === ".inf" ? Infinity : body === ".nan" ? NaN : null;
  const number = sign * (special ?? body.split(":").reduce((sum, part) => sum * 60 + Number(part), 0));
  const asSpelled = special === null && !/[_:]/.test(text);
  return numberLiteral(number, asSpelled ? text : pythonFloat(number));
}
