import { Ajv } from "ajv";
import standalone from "ajv/standalone";

/** The schemas in this folder's `schemas/`, by the name that their validator is exported under. */
export const SCHEMAS = { general: "general", model: "model", vllmArgs: "vllm-args" } as const;

/**
 * Compiles the JSON Schemas to a module of plain functions, so that checking profiles at start-up loads no validator
 * library.
 */
export async function compileSchemas(): Promise<string> {
  const ajv = new Ajv({
    allErrors: true,
    strict: true,
    allowUnionTypes: true,
    // Small code: one function a definition, and reasons are worded elsewhere.
    inlineRefs: false,
    messages: false,
    code: { source: true, esm: true },
  });
  const exported: Record<string, string> = {};
  for (const [name, file] of Object.entries(SCHEMAS)) {
    const schema = JSON.parse(
      await Deno.readTextFile(new URL(`schemas/${file}.schema.json`, import.meta.url)),
    );
    ajv.addSchema(schema);
    exported[name] = schema.$id;
  }
  return HEADER + standalone.default(ajv, exported) + "\n";
}

const HEADER = `// Generated from profiles/schemas/ by profiles/generate.ts; do not edit.
// deno-lint-ignore-file
// deno-fmt-ignore-file
// @ts-self-types="./validators.generated.d.ts"
`;
