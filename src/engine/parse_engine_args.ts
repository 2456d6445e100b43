import { AimError } from "../errors/aim_error.ts";
import { readJson } from "../values/read_json.ts";
import { type ConfigMap, type ConfigValue, isList, isMap, numberLiteral } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";

/**
 * Reads engine arguments from a JSON object; numbers keep their spelling.
 *
 * @param name The setting's name in messages.
 * @throws {AimError} `usage`: not JSON, not an object, or nested beyond reason.
 */
export function parseEngineArgsJson(text: string, name: string = "AIM_ENGINE_ARGS"): ConfigMap {
  const bad = (what: string, cause?: unknown) =>
    new AimError("usage", `${name} is ${what}`, {
      hint: `give one JSON object, as '{"max-model-len": 8192}'`,
      cause,
    });
  let value;
  try {
    value = readJson(text);
  } catch (cause) {
    throw bad(`not usable JSON (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  if (!isMap(value)) throw bad(`${isList(value) ? "a list" : pythonJson(value)}, not an object`);
  return value;
}

/**
 * Reads what follows `--` on aim's command line as vLLM's parser would: `--name value`, `--name=value`,
 * `--flag`, `-O value`, and `--name a b` for a list. Of a flag given twice the last counts.
 *
 * @throws {AimError} `usage`: a word that no flag takes, or an invalid JSON object.
 */
export function parseEngineWords(words: readonly string[]): ConfigMap {
  const values = new Map<string, string[]>();
  let current: string[] | null = null;
  for (const word of words) {
    const flag = /^--?([A-Za-z][\w.-]*)(?:=(.*))?$/s.exec(word);
    if (flag !== null) {
      const [, name = "", value] = flag;
      values.delete(name);
      values.set(name, current = value === undefined ? [] : [value]);
    } else if (current === null) {
      throw new AimError("usage", `${JSON.stringify(word)} follows -- and is not an argument of the engine`, {
        hint: "begin with a flag, as -- --max-model-len 8192",
      });
    } else current.push(word);
  }
  return new Map([...values].map(([name, given]) => [name, valueOf(name, given)]));
}

function valueOf(name: string, given: readonly string[]): ConfigValue {
  const [first, ...others] = given.map((text) => scalar(name, text));
  return first === undefined ? null : others.length === 0 ? first : [first, ...others];
}

function scalar(name: string, text: string): ConfigValue {
  if (/^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text)) return numberLiteral(Number(text), text);
  return text.startsWith("{") ? parseEngineArgsJson(text, `--${name}`) : text;
}
