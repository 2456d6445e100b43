import { nearest } from "../config/nearest.ts";
import { type ConfigMap, type ConfigValue, isList, isMap, isNumberLiteral } from "../values/value.ts";
import { general, model, type SchemaError, type Validator, vllmArgs } from "./validators.generated.js";

/** A value that a schema refuses. */
export interface SchemaFault {
  /** Keys and list indices from the top. */
  readonly path: readonly (string | number)[];
  /** The fault is the key, not its value. */
  readonly atKey: boolean;
  /** One clause that names the value. */
  readonly reason: string;
}

const VALIDATORS = { general, model, "vllm-args": vllmArgs } as const;

/** The schemas by name; each is a file in `profiles/schemas/`. */
export type SchemaName = keyof typeof VALIDATORS;

/**
 * Holds a value to one of the schemas. Names of engine arguments are taken with `_` and `-` alike.
 *
 * @returns All faults, in the order of the value's keys; none where it is valid.
 */
export function checkSchema(name: SchemaName, value: ConfigMap): SchemaFault[] {
  const faults = new Map<string, SchemaFault>();
  for (const { plain, names } of spellings(name, value)) {
    for (const error of errorsOf(VALIDATORS[name], plain)) {
      const fault = faultOf(error, plain, names);
      faults.set(JSON.stringify([fault.path, fault.reason]), fault);
    }
  }
  return [...faults.values()];
}

/** A value as the validators take it, and how its engine arguments were spelled. */
interface Spelled {
  readonly plain: Record<string, unknown>;
  readonly names: ReadonlyMap<string, string>;
}

// An argument in both spellings is two arguments: the second one is checked in a round of its own.
function spellings(schema: SchemaName, value: ConfigMap): Spelled[] {
  const args = schema === "vllm-args" ? value : value.get("engine_args");
  if (args === undefined || !isMap(args)) return [{ plain: plainMap(value), names: new Map() }];
  const rounds: { names: Map<string, string>; args: Map<string, ConfigValue> }[] = [];
  for (const [name, item] of args) {
    const canonical = name.replaceAll("_", "-");
    let round = rounds.find((one) => !one.names.has(canonical));
    if (round === undefined) rounds.push(round = { names: new Map(), args: new Map() });
    round.names.set(canonical, name);
    round.args.set(canonical, item);
  }
  if (rounds.length === 0) rounds.push({ names: new Map(), args: new Map() });
  return rounds.map((round) => ({
    names: round.names,
    plain: schema === "vllm-args"
      ? plainMap(round.args)
      : { ...plainMap(value), engine_args: plainMap(round.args) },
  }));
}

function plainMap(map: ConfigMap): Record<string, unknown> {
  const plain: Record<string, unknown> = Object.create(null);
  for (const [key, value] of map) plain[key] = plainValue(value);
  return plain;
}

/** The value in JSON's own types. */
function plainValue(value: ConfigValue): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isNumberLiteral(value)) return value.value;
  if (isList(value)) return value.map(plainValue);
  return isMap(value) ? plainMap(value) : null;
}

function errorsOf(validate: Validator, value: unknown): readonly SchemaError[] {
  if (validate(value)) return [];
  const errors = validate.errors ?? [];
  const choices = errors.filter((error) => error.keyword === "anyOf").map((error) => error.instancePath);
  return errors.filter((error) =>
    // What led to the branch is not the fault, nor is each branch of a choice.
    error.keyword !== "if" && (error.keyword === "anyOf" || !choices.includes(error.instancePath))
  );
}

function faultOf(error: SchemaError, plain: Record<string, unknown>, names: Spelled["names"]): SchemaFault {
  const parts = error.instancePath.split("/").slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  let value: unknown = plain;
  const path = parts.map((part) => {
    const inList = Array.isArray(value);
    const own = value === plain["engine_args"] || (value === plain && !("engine_args" in plain))
      ? names.get(part) ?? part
      : part;
    value = isRecord(value) ? value[part] : undefined;
    return inList ? Number(part) : own;
  });
  const where = path.join(".");
  const subject = where === "" ? "the profile" : where;
  const params = error.params;
  switch (error.keyword) {
    case "required":
      return { path, atKey: true, reason: `${subject} lacks ${String(params["missingProperty"])}` };
    case "additionalProperties": {
      const extra = String(params["additionalProperty"]);
      return { path: [...path, extra], atKey: true, reason: extraReason(error, subject, extra) };
    }
    default:
      return {
        path,
        atKey: false,
        reason: `${subject} is ${shown(value)}, and must be ${wanted(error, value)}`,
      };
  }
}

function extraReason(error: SchemaError, subject: string, extra: string): string {
  if (error.instancePath === "/env_vars") {
    return `${subject} has ${JSON.stringify(extra)}, which no environment variable can be named`;
  }
  const near = nearest(extra, KNOWN_ENTRIES);
  return `${subject} has ${JSON.stringify(extra)}, which is not known here${
    near === null ? "" : ` (did you mean ${near}?)`
  }`;
}

const KNOWN_ENTRIES = [
  ...["aim_id", "model_id", "metadata", "engine_args", "env_vars"],
  ...["engine", "gpu", "precision", "gpu_count", "metric", "manual_selection_only", "type"],
];

const TYPE_NAMES: Readonly<Record<string, string>> = {
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
  string: "a text",
  object: "a mapping",
  array: "a list",
  null: "null",
};

function wanted(error: SchemaError, value: unknown): string {
  const params = error.params;
  switch (error.keyword) {
    case "type":
      return [params["type"]].flat().map((type) => TYPE_NAMES[String(type)] ?? String(type)).join(" or ");
    case "enum": {
      const allowed = [params["allowedValues"]].flat().map(String);
      const near = typeof value === "string" ? nearest(value, allowed) : null;
      return `one of ${allowed.join(", ")}${near === null ? "" : ` (did you mean ${near}?)`}`;
    }
    case "minimum":
      return `at least ${String(params["limit"])}`;
    case "pattern":
      return String(params["pattern"]).includes("\\s")
        ? "a name without spaces"
        : "a text without NUL or odd characters";
    case "anyOf":
      return "of another type: a text, or a list of texts";
    default:
      return `otherwise (${error.keyword})`;
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
