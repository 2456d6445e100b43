import schema from "./schemas/output.schema.json" with { type: "json" };

/** As much of JSON Schema (draft-07) as the schemas of aim's output use. */
export interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
}

/** What aim prints for programs: `title` is the command (or the flag), `description` what it says. */
export const OUTPUT_SCHEMAS: Readonly<Record<string, Schema>> = schema.definitions;

/** A line for each key, as `models[].bytes`, with its values and meaning; deeper keys after their parent. */
export function keysOf(schema: Schema, prefix = ""): { key: string; says: string }[] {
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap((one) => keysOf(one, prefix));
  if (schema.items !== undefined) return keysOf(schema.items, `${prefix}[]`);
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const key = prefix === "" || prefix === "[]" ? name : `${prefix}.${name}`;
    const values = inner.const !== undefined
      ? `always ${inner.const}`
      : inner.enum === undefined
      ? ""
      : ` (${inner.enum.join(", ")})`;
    return [{ key, says: `${inner.description ?? ""}${values}` }, ...keysOf(inner, key)];
  });
}
