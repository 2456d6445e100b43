import { AimError } from "../errors/aim_error.ts";
import { readJson } from "../values/read_json.ts";
import { type ConfigMap, type ConfigValue, numberLiteral } from "../values/value.ts";

/**
 * Reads what follows `--` on aim's command line as vLLM's parser would: `--name value`, `--name=value`,
 * `--flag`, `-O value`, and `--name a b` for a list. If a flag is given twice, the last one counts.
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
      throw new AimError("usage", `${JSON.stringify(word)} after -- is not an engine flag`, {
        hint: "start with a flag, such as -- --max-model-len 8192",
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
  if (!text.startsWith("{")) return text;
  try {
    return readJson(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AimError("usage", `--${name} is not valid JSON (${reason})`, {
      hint: `give one JSON object, such as '{"max-model-len": 8192}'`,
      cause,
    });
  }
}
