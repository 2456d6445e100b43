import { didYouMean } from "../config/nearest.ts";
import { type ConfigMap, type ConfigValue, isMap } from "../values/value.ts";
import { jsonValue } from "../values/write_json.ts";
import { profile } from "./profile_validator.generated.js";
import type { SchemaError } from "./profile_validator.generated.d.ts";
import type { SchemaFault } from "./types.ts";

/** Validates a profile against `profiles/schemas/profile.schema.json`; no faults if it is valid. */
export function checkProfile(content: ConfigMap): SchemaFault[] {
  // The schema accepts any mapping as engine arguments.
  const known = new Map<string, ConfigValue>(content);
  if (isMap(known.get("engine_args"))) known.set("engine_args", new Map());
  const plain = jsonValue(known, ({ value }) => value);
  if (profile(plain)) return [];
  const errors = profile.errors ?? [];
  const choices = errors.filter((error) => error.keyword === "anyOf").map((error) => error.instancePath);
  return errors
    // Neither the condition of a branch nor each branch of a choice is a fault.
    .filter(({ keyword, instancePath }) =>
      keyword !== "if" && (keyword === "anyOf" || !choices.includes(instancePath))
    )
    .map((error) => faultOf(error, plain));
}

function faultOf(error: SchemaError, top: unknown): SchemaFault {
  const path = error.instancePath.split("/").slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const value = path.reduce<unknown>((outer, key) => isRecord(outer) ? outer[key] : undefined, top);
  const where = path.join(".");
  const subject = where === "" ? "the profile" : where;
  const missing = error.params["missingProperty"];
  if (missing !== undefined) return { path, atKey: true, reason: `${subject} lacks ${String(missing)}` };
  const extra = error.params["additionalProperty"];
  if (extra !== undefined) {
    const what = where === "env_vars" ? "not a valid environment variable name" : "not a known key";
    const reason = `${subject} has ${JSON.stringify(extra)}, which is ${what}`;
    return { path: [...path, String(extra)], atKey: true, reason };
  }
  return { path, reason: `${subject} is ${shown(value)}; it must be ${wanted(error, value)}` };
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
  string: "text",
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
      return `one of ${allowed.join(", ")}${typeof value === "string" ? didYouMean(value, allowed) : ""}`;
    }
    case "minimum":
      return `at least ${String(params["limit"])}`;
    case "maxItems":
      return `at most ${String(params["limit"])} items`;
    case "pattern":
      return `text that matches ${String(params["pattern"])}`;
    case "anyOf":
      return "text, or a list of text";
    default:
      return `valid by the schema's ${keyword}`;
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
