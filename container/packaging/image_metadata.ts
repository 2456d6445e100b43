import { parse } from "yaml";

type Kind = "text" | "list" | "boolean";

/** Every key, by the name of its label. */
const KEYS: Readonly<Record<string, { kind: Kind; required?: true }>> = {
  "title": { kind: "text", required: true },
  "description.full": { kind: "text", required: true },
  "model.canonicalName": { kind: "text", required: true },
  "model.source": { kind: "text", required: true },
  "model.publisher": { kind: "text", required: true },
  "model.tags": { kind: "list" },
  "model.versions": { kind: "list" },
  "model.variants": { kind: "list" },
  "release.notes": { kind: "text" },
  "hfToken.required": { kind: "boolean", required: true },
};

/**
 * Reads what AIM Engine shows of a model's image, from `container/metadata/ORG/MODEL.yaml`: nested mappings
 * whose joined keys are the names of labels.
 *
 * @returns Values by label name, in the table's order: lists joined by comma and space, booleans as `True`
 *   and `False`.
 * @throws {Error} naming every key that is unknown, missing or of another type.
 */
export function readImageMetadata(text: string): Map<string, string> {
  const found = new Map(flatten(parse(text)));
  const faults = [...found.keys()].filter((key) => !(key in KEYS)).map((key) => `${key} is not a known key`);
  const values = new Map<string, string>();
  for (const [key, { kind, required }] of Object.entries(KEYS)) {
    const value = found.get(key);
    if (value === undefined || value === null) {
      if (required) faults.push(`${key} is missing`);
    } else if (kind === "boolean" && typeof value === "boolean") values.set(key, value ? "True" : "False");
    else if (kind === "text" && typeof value === "string") values.set(key, value.trim());
    else if (
      kind === "list" && Array.isArray(value) &&
      value.every((item) => typeof item === "string" && !item.includes(","))
    ) {
      values.set(key, value.join(", "));
    } else faults.push(`${key} must be a ${kind === "list" ? "list of texts without commas" : kind}`);
  }
  if (faults.length > 0) throw new Error(faults.join("; "));
  return values;
}

function flatten(value: unknown, prefix = ""): [string, unknown][] {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[prefix, value]];
  return Object.entries(value).flatMap(([key, item]) =>
    flatten(item, prefix === "" ? key : `${prefix}.${key}`)
  );
}
