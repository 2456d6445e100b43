import schema from "./schemas/output.schema.json" with { type: "json" };

/** The keywords of JSON Schema (draft-07) in the schemas of aim's output. */
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

/** aim's output for programs: `title` is the command (or the flag). */
export const OUTPUT_SCHEMAS: Readonly<Record<string, Schema>> = schema.definitions;

/** Each key, such as `models[].bytes`, with its values and meaning; nested keys after their parent. */
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
