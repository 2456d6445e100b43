import { nearest } from "../config/nearest.ts";
import type { SchemaError } from "./profile_validator.generated.d.ts";

/** A value that a schema refuses. */
export interface SchemaFault {
  /** Keys and list indices from the top. */
  readonly path: readonly (string | number)[];
  /** The fault is the key, not its value. */
  readonly atKey: boolean;
  /** One clause that names the value. */
  readonly reason: string;
}

/**
 * What a validator found, in words.
 *
 * @param value What it looked at.
 * @param known Names to suggest for a key that is not known.
 */
export function schemaFaults(
  errors: readonly SchemaError[],
  value: unknown,
  known: readonly string[] = [],
): SchemaFault[] {
  const choices = errors.filter((error) => error.keyword === "anyOf").map((error) => error.instancePath);
  return errors
    // What led to the branch is not the fault, nor is each branch of a choice.
    .filter(({ keyword, instancePath }) =>
      keyword !== "if" && (keyword === "anyOf" || !choices.includes(instancePath))
    )
    .map((error) => faultOf(error, value, known));
}

function faultOf(error: SchemaError, top: unknown, known: readonly string[]): SchemaFault {
  let value = top;
  const path = error.instancePath.split("/").slice(1).map((part) => {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const step = Array.isArray(value) ? Number(key) : key;
    value = isRecord(value) ? value[key] : undefined;
    return step;
  });
  const where = path.join(".");
  const subject = where === "" ? "the profile" : where;
  const missing = error.params["missingProperty"];
  if (missing !== undefined) return { path, atKey: true, reason: `${subject} lacks ${String(missing)}` };
  const extra = error.params["additionalProperty"];
  if (extra !== undefined) {
    const near = nearest(String(extra), known);
    const what = where === "env_vars" ? "no name of an environment variable" : "not known here";
    const meant = near === null ? "" : ` (did you mean ${near}?)`;
    const reason = `${subject} has ${JSON.stringify(extra)}, which is ${what}${meant}`;
    return { path: [...path, String(extra)], atKey: true, reason };
  }
  return { path, atKey: false, reason: `${subject} is ${shown(value)}; it must be ${wanted(error, value)}` };
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
  string: "a text",
  object: "a mapping",
  array: "a list",
  null: "null",
};

function wanted({ keyword, params }: SchemaError, value: unknown): string {
  switch (keyword) {
    case "type":
      return [params["type"]].flat().map((type) => TYPE_NAMES[String(type)] ?? String(type)).join(" or ");
    case "enum": {
      const allowed = [params["allowedValues"]].flat().map(String);
      const near = typeof value === "string" ? nearest(value, allowed) : null;
      return `one of ${allowed.join(", ")}${near === null ? "" : ` (did you mean ${near}?)`}`;
    }
    case "minimum":
      return `at least ${String(params["limit"])}`;
    case "maxItems":
      return `at most ${String(params["limit"])} of them`;
    case "pattern":
      return `a text that matches ${String(params["pattern"])}`;
    case "anyOf":
      return "of another type: a text, or a list of texts";
    default:
      return `otherwise (${keyword})`;
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
