import { Ajv } from "ajv";
import standalone from "ajv/standalone";

/** Schemas in this folder's `schemas/`, and the modules in `src/` that their validators are written to. */
export const SCHEMAS = {
  "profile": "profiles/profile_validator.generated.js",
  "vllm-args": "profiles/validators.generated.js",
} as const;

/** Compiles a JSON Schema to a module of plain functions, so that checking a profile at start-up loads no validator library. */
export async function compileSchema(name: keyof typeof SCHEMAS): Promise<string> {
  const ajv = new Ajv({
    allErrors: true,
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    // Small code: one function for each definition, and reasons are worded elsewhere.
    inlineRefs: false,
    messages: false,
    code: { source: true, esm: true },
  });
  const schema = JSON.parse(await Deno.readTextFile(new URL(`schemas/${name}.schema.json`, import.meta.url)));
  ajv.addSchema(schema);
  const code = standalone.default(ajv, { [name === "profile" ? "profile" : "vllmArgs"]: schema.$id });
  return `${HEADER}// @ts-self-types="./${SCHEMAS[name].replace(/^.*\/|js$/g, "")}d.ts"\n${code}\n`;
}

const HEADER = `// Generated from profiles/schemas/ by profiles/generate.ts; do not edit.
// deno-lint-ignore-file
// deno-fmt-ignore-file
`;
