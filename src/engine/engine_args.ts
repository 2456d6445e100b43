import { AimError } from "../errors/aim_error.ts";
import {
  type ConfigMap,
  type ConfigValue,
  isList,
  isMap,
  isNumberLiteral,
  numberLiteral,
} from "../values/value.ts";
import { pythonJson } from "../values/write_json.ts";

/** What aim itself tells the engine: it goes over profile and user. */
export interface SystemArgs {
  readonly port: number;
  /** As {@linkcode servedModelNames} gives them; at least one. */
  readonly servedModelNames: readonly string[];
  /** Every spelling of the model that is loaded (its id, its path): `model` in the arguments may repeat one of them. */
  readonly models: readonly string[];
}

/** The names that clients may use: the model's id, then `AIM_ID` where it differs. */
export function servedModelNames(names: { modelId: string; aimId: string | null }): string[] {
  return names.aimId === null || names.aimId === names.modelId
    ? [names.modelId]
    : [names.modelId, names.aimId];
}

/**
 * The engine's arguments: the profile's, over them the user's, over them aim's own. As in a Python dict, an argument that
 * is replaced keeps its place and a new one goes to the end.
 *
 * Another spelling (`served_model_name`) of one of aim's own is dropped, because the engine would take the last of both.
 *
 * @throws {AimError} `usage` where `model` names another model than the one that is loaded.
 */
export function mergeEngineArgs(
  profileArgs: ConfigMap,
  userArgs: ConfigMap | null,
  system: SystemArgs,
): ConfigMap {
  const [first = "", ...others] = system.servedModelNames;
  const own = new Map<string, ConfigValue>([
    ["port", numberLiteral(system.port, String(system.port))],
    ["served-model-name", others.length === 0 ? first : [first, ...others]],
  ]);
  const merged = new Map<string, ConfigValue>(profileArgs);
  for (const [name, value] of userArgs ?? []) merged.set(name, value);
  for (const [name, value] of merged) {
    const canonical = canonicalName(name);
    if (canonical === "model") {
      assertSameModel(value, userArgs?.has(name) === true, system.models);
      merged.delete(name);
    } else if (canonical !== name && own.has(canonical)) merged.delete(name);
  }
  for (const [name, value] of own) merged.set(name, value);
  return merged;
}

/** The spelling that the engine documents: its parser takes `_` for `-` in a flag. */
export function canonicalName(name: string): string {
  return name.replaceAll("_", "-");
}

function assertSameModel(value: ConfigValue, byUser: boolean, models: readonly string[]): void {
  if (typeof value === "string" && models.includes(value)) return;
  const where = byUser ? "AIM_ENGINE_ARGS" : "the profile's engine_args";
  throw new AimError(
    "usage",
    `${where} has "model": ${pythonJson(value)}, but the model to serve is ${models[0] ?? "another"}`,
    {
      hint: byUser
        ? "take model out of it and set AIM_MODEL_ID instead"
        : "take model out of the profile and set model_id there, or set AIM_MODEL_ID",
    },
  );
}

/**
 * Arguments as words of a command line. `null` and `true`: the bare flag; `false`: nothing; a list: the flag once, then each
 * value; a mapping: its JSON; else the value, numbers as they were spelled.
 */
export function renderArgs(args: ConfigMap): string[] {
  const words: string[] = [];
  for (const [name, value] of args) {
    if (value === false) continue;
    words.push(`--${name}`);
    if (value === null || value === true) continue;
    if (isList(value)) words.push(...value.map(wordOf));
    else words.push(wordOf(value));
  }
  return words;
}

// Inside a list, what Python's str() writes.
function wordOf(value: ConfigValue): string {
  if (typeof value === "string") return value;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (isNumberLiteral(value)) return value.text;
  if (isMap(value) || isList(value)) return pythonJson(value);
  return "";
}
