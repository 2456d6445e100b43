import { Ajv } from "ajv";
import standalone from "ajv/standalone";

/** Path of the generated profile validator, relative to `src/`. */
export const VALIDATOR = "profiles/profile_validator.generated.js";

/**
 * Compiles the JSON Schema of profiles to a module of plain functions, so that checking a profile at start-up
 * does not load a validator library.
 */
export async function compileSchema(): Promise<string> {
  const ajv = new Ajv({
    allErrors: true,
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    // For small code: one function per definition. Error messages are written elsewhere.
    inlineRefs: false,
    messages: false,
    code: { source: true, esm: true },
  });
  const schema = JSON.parse(await Deno.readTextFile(new URL("schemas/profile.schema.json", import.meta.url)));
  ajv.addSchema(schema);
  const code = standalone.default(ajv, { profile: schema.$id });
  return `${HEADER}// @ts-self-types="./${VALIDATOR.replace(/^.*\/|js$/g, "")}d.ts"\n${code}\n`;
}

const HEADER = `// Generated from profiles/schemas/ by profiles/generate.ts; do not edit.
// deno-lint-ignore-file
// deno-fmt-ignore-file
`;
