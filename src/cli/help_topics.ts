import { settingsIn } from "../config/settings.ts";
import { ALSO_HONOURED } from "../config/variables.ts";
import { EXIT_CODES } from "../errors/exit_codes.ts";
import { type Section, settingRow } from "./render_help.ts";
import schema from "./schemas/output.schema.json" with { type: "json" };

/** Help pages that are not about a command. */
export const TOPICS: ReadonlyMap<string, () => (string | Section)[]> = new Map([
  ["environment", environment],
  ["exit-codes", exitCodes],
  ["json", json],
]);

const GROUPS = {
  model: "Model and engine",
  profile: "Profile selection",
  gpu: "GPUs",
  cache: "Cache",
  source: "Sources",
  download: "Download",
  fetch: "aim fetch",
  adapter: "LoRA adapters",
  log: "Logs",
} as const;

function environment(): (string | Section)[] {
  return [
    "Every setting has a variable, and most have a flag. Precedence: flag, environment variable, default. An " +
    "empty variable counts as unset. Booleans: true, false, 1, 0, yes, no, on, off in any case. Sizes: " +
    "1048576, 8M or 8MiB (powers of 1024), 8MB (powers of 1000). Durations: 90, 500ms, 2m, 1h.",
    ...(Object.keys(GROUPS) as (keyof typeof GROUPS)[]).map((group) => ({
      title: GROUPS[group],
      rows: settingsIn(group).map((name) => settingRow(name, "variable")),
    })),
    { title: "Also honoured", rows: Object.entries(ALSO_HONOURED) },
  ];
}

function exitCodes(): (string | Section)[] {
  const rows = Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning] as const);
  return [{ title: "", rows: [["0", "done"], ...rows] }];
}

function json(): (string | Section)[] {
  return [
    "Standard output contains only JSON; logs and progress go to standard error. Sizes are bytes, times " +
    "milliseconds, dates RFC 3339. schemaVersion changes when a key is removed or changes its meaning, not " +
    "when one is added. The JSON Schemas are in src/cli/schemas/output.schema.json.",
    ...Object.values(OUTPUT_SCHEMAS).map(({ title = "", description = "", ...schema }) => ({
      title: /^(?:-|an )/.test(title) ? title : `aim ${title}`,
      about: description + (schema.type === "array" ? " (a list of objects)" : ""),
      rows: [...new Map(keysOf(schema))].filter(([key]) => key !== "schemaVersion"),
    })),
  ];
}

/** The keywords of JSON Schema (draft-07) in the schemas of aim's output. */
export interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
}

/** aim's JSON output; `title` is the command or the flag. */
export const OUTPUT_SCHEMAS: Readonly<Record<string, Schema>> = schema.definitions;

/** Each key, such as `models[].bytes`, with its meaning and values; nested keys after their parent. */
export function keysOf(schema: Schema, prefix = ""): [key: string, says: string][] {
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap((one) => keysOf(one, prefix));
  if (schema.items !== undefined) return keysOf(schema.items, `${prefix}[]`);
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const key = prefix === "" || prefix === "[]" ? name : `${prefix}.${name}`;
    const values = inner.const !== undefined ? `always ${inner.const}` : "";
    const choices = inner.enum === undefined ? "" : ` (${inner.enum.join(", ")})`;
    return [[key, `${inner.description ?? ""}${values || choices}`], ...keysOf(inner, key)];
  });
}
