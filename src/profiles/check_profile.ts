import { type ConfigMap, type ConfigValue, isList, isMap, isNumberLiteral } from "../values/value.ts";
import { profile } from "./profile_validator.generated.js";
import { type SchemaFault, schemaFaults } from "./schema_fault.ts";

/** Holds a profile to `profiles/schemas/profile.schema.json`; no faults if it is valid. */
export function checkProfile(content: ConfigMap): SchemaFault[] {
  // To the schema, engine arguments are any mapping.
  const args = content.get("engine_args");
  const plain = plainValue(
    args !== undefined && isMap(args) ? new Map(content).set("engine_args", NONE) : content,
  );
  return profile(plain) ? [] : schemaFaults(profile.errors ?? [], plain);
}

const NONE: ConfigMap = new Map();

/** A value in JSON's own types. */
function plainValue(value: ConfigValue): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) return value.map(plainValue);
  if (isNumberLiteral(value)) return value.value;
  return isMap(value) ? Object.fromEntries([...value].map(([key, item]) => [key, plainValue(item)])) : null;
}
