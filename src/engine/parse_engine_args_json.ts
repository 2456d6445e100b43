import { AimError } from "../errors/aim_error.ts";
import { readJson } from "../values/read_json.ts";
import { type ConfigMap, isMap } from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";

/** Options of {@linkcode parseEngineArgsJson}. */
export interface ParseEngineArgsOptions {
  /** The setting's name in messages. @default {"AIM_ENGINE_ARGS"} */
  name?: string;
}

/**
 * Reads engine arguments from a JSON object; numbers keep their spelling.
 *
 * @throws {AimError} `usage`: not JSON, not an object, a key twice in one object, or nested beyond reason.
 */
export function parseEngineArgsJson(text: string, options: ParseEngineArgsOptions = {}): ConfigMap {
  const bad = (what: string, cause?: unknown) =>
    new AimError("usage", `${options.name ?? "AIM_ENGINE_ARGS"} is ${what}`, {
      hint: `give one JSON object, as '{"max-model-len": 8192}'`,
      cause,
    });
  let value;
  try {
    value = readJson(text);
  } catch (cause) {
    throw bad(`not usable JSON (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  if (!isMap(value)) throw bad(`${Array.isArray(value) ? "a list" : pythonJson(value)}, not an object`);
  return value;
}
