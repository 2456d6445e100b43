import type { ConfigMap } from "../values/value.ts";
import { jsonValue } from "../values/write_json.ts";
import { profile } from "./profile_validator.generated.js";
import { type SchemaFault, schemaFaults } from "./schema_fault.ts";

/** Holds a profile to `profiles/schemas/profile.schema.json`; no faults where it is valid. */
export function checkProfile(content: ConfigMap): SchemaFault[] {
  // JSON.stringify's own types: the validator knows no numbers with a spelling.
  const plain: unknown = JSON.parse(JSON.stringify(jsonValue(content)));
  return profile(plain) ? [] : schemaFaults(profile.errors ?? [], plain);
}
