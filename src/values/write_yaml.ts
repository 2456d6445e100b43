import {
  type ConfigMap,
  type ConfigValue,
  isList,
  isMap,
  isNumberLiteral,
  type NumberLiteral,
} from "./value.ts";
import { plainScalar } from "./yaml_scalar.ts";

/**
 * A mapping or a list as YAML 1.1 in block style, which PyYAML and `aim` read back as the same values. It
 * exists for start-up: the YAML library takes longer to load than everything else that a dry run does.
 */
export function writeYaml(value: ConfigMap | readonly ConfigValue[]): string {
  const lines = isMap(value) ? entries(value, "") : items(value, "");
  return lines.length === 0 ? `${scalar(value)}\n` : lines.map((line) => `${line}\n`).join("");
}

function entries(map: ConfigMap, indent: string): string[] {
  return [...map].flatMap(([key, value]) => node(`${indent}${text(key)}:`, value, indent));
}

function node(head: string, value: ConfigValue, indent: string): string[] {
  if (isMap(value) && value.size > 0) return [head, ...entries(value, `${indent}  `)];
  if (isList(value) && value.length > 0) return [head, ...items(value, `${indent}  `)];
  return [`${head} ${scalar(value)}`];
}

/** Items of a list; a mapping begins beside its dash. */
function items(list: readonly ConfigValue[], indent: string): string[] {
  return list.flatMap((item) => {
    if (!isMap(item) || item.size === 0) return node(`${indent}-`, item, indent);
    const [first = "", ...rest] = entries(item, `${indent}  `);
    return [`${indent}- ${first.trimStart()}`, ...rest];
  });
}

function scalar(value: ConfigValue): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return text(value);
  if (isNumberLiteral(value)) return number(value);
  return isList(value) ? "[]" : "{}";
}

// Text that YAML would read as something else is quoted; a JSON string is a YAML string.
function text(value: string): string {
  if (PLAIN.test(value) && !value.includes(": ") && plainScalar(value) === value) return value;
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const PLAIN = /^[\w./+](?:[\w./+@%,;()\[\]{}: -]*[\w./+@%,;()\[\]{}-])?$/;

function number({ value, text }: NumberLiteral): string {
  const read = plainScalar(text);
  const isNumber = !(read instanceof SyntaxError) && isNumberLiteral(read);
  if (isNumber && Object.is(read.value, value)) return text;
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  return `!!float ${JSON.stringify(text)}`;
}
