import { Ajv } from "ajv";

/** Violations of CycloneDX 1.6's JSON schema in a bill of materials; empty if it is valid. */
export async function schemaFaults(bill: unknown): Promise<string[]> {
  // The package does not export its schemas, but its package.json is next to them.
  const folder = new URL("res/schema/", import.meta.resolve("cyclonedx/package.json"));
  const read = async (name: string) =>
    JSON.parse(await Deno.readTextFile(new URL(`${name}.SNAPSHOT.schema.json`, folder)));
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  for (const name of ["spdx", "jsf-0.82"]) {
    ajv.addSchema(await read(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  }
  const validate = ajv.compile(await read("bom-1.6"));
  validate(bill);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
