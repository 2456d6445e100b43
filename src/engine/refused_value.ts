import { type ConfigValue, isList } from "../values/value.ts";
import { isJsonObject, jsonOrNull } from "../values/json.ts";
import { pythonJson } from "../values/write_json.ts";
import type { ReleaseRange } from "./engine_table.ts";
import { optionWords } from "./engine_args.ts";

/**
 * Why vLLM's parser would refuse a value: a clause such as `is "x", but must be a whole number`; `null` if it
 * accepts it. The rules are those of Python's argparse and of the types in vLLM's `arg_utils.py`.
 */
export function refusedValue(value: ConfigValue, option: ReleaseRange): string | null {
  // Left out of the command line.
  if (value === false) return null;
  const wrong = (must: string) => `is ${shown(value)}, but must be ${must}`;
  const words = optionWords(value);
  if (option.kind === "flag") return words.length === 0 ? null : `is ${shown(value)}, but takes no value`;
  if (isList(value) && option.kind === "json" && option.values === "1") return null;
  if (words.length === 0) {
    return option.values === "?" || option.values === "*" ? null : "needs a value";
  }
  const most = /^\d+$/.test(option.values) ? Number(option.values) : option.values === "+" ? Infinity : 1;
  if (words.length > most) return wrong(most === 1 ? "one value" : `${most} values`);
  for (const word of words) {
    if (option.optional && (word === "" || word === "None")) continue;
    const kind = KINDS[option.kind];
    if (kind !== undefined && !kind.takes(word)) return wrong(kind.name);
    if (option.choices !== null && !option.choices.includes(word)) {
      return wrong(`one of ${option.choices.join(", ")}`);
    }
  }
  return null;
}

const isInteger = (word: string) => /^\s*[+-]?\d+(?:_\d+)*\s*$/.test(word);
const isHumanInteger = (word: string) => isInteger(word) || /^(?:\d+(?:\.\d+)?[kmgt]|\d+[KMGT])$/.test(word);
const isPairs = (word: string) => /^\s*\w+\s*=\s*\d+\s*(?:,\s*\w+\s*=\s*\d+\s*)*$/.test(word);

const isJson = (word: string) => jsonOrNull(word) !== null || word.trim() === "null";
const isObject = (word: string) => isJsonObject(jsonOrNull(word));

/** By kind of option, what messages call its values, and which words they are. */
const KINDS: Readonly<Record<string, { readonly name: string; takes(word: string): boolean }>> = {
  int: { name: "a whole number", takes: isInteger },
  float: {
    name: "a number",
    takes: (word) =>
      /^\s*[+-]?(?:(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d+)?|inf(?:inity)?|nan)\s*$/i.test(word),
  },
  "human-int": { name: "a whole number, such as 32768 or 32k", takes: isHumanInteger },
  "human-int-or-auto": {
    name: "a whole number, such as 32768 or 32k, or auto",
    takes: (word) => isHumanInteger(word) || word.toLowerCase() === "auto",
  },
  json: { name: "JSON", takes: (word) => isJson(word) || isPairs(word) },
  object: { name: "a mapping, or a JSON object as text", takes: isObject },
  "object-or-int": {
    name: "a mapping, a JSON object as text, or a whole number",
    takes: (word) => isObject(word) || isInteger(word),
  },
  "object-or-pairs": {
    name: "a mapping, a JSON object as text, or pairs such as image=1",
    takes: (word) => isObject(word) || isPairs(word),
  },
};

function shown(value: ConfigValue): string {
  const text = pythonJson(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
