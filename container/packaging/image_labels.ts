import { parse } from "yaml";
import { PRECISIONS, type Profile, PROFILE_TYPES } from "../../src/profiles/types.ts";

const PREFIX = "com.amd.aim.";

/**
 * The labels that AIM Engine reads from a model's image.
 *
 * @param metadata Text of the model's metadata file; `null` if there is none, and only the name is known.
 * @param profiles The model's own profiles.
 * @throws {Error} If the metadata file is invalid.
 */
export function imageLabels(
  aimId: string,
  metadata: string | null,
  profiles: readonly Profile[],
): Map<string, string> {
  const values = metadata === null ? new Map([["model.canonicalName", aimId]]) : readImageMetadata(metadata);
  values.set("model.recommendedDeployments", JSON.stringify(recommended(profiles)));
  return new Map([...values].map(([name, value]) => [PREFIX + name, value]));
}

/**
 * One way to run the model. AIM Engine reads single quotes as double ones, so no text may contain an
 * apostrophe.
 */
interface Deployment {
  readonly gpuModel: string;
  readonly gpuCount: number;
  readonly precision: string;
  readonly metric: string;
  readonly description: string;
  readonly profileId: string;
}

/**
 * The primary profile per GPU model and metric; if there is none, the one that AMD's generator would mark.
 */
function recommended(profiles: readonly Profile[]): Deployment[] {
  const candidates = profiles.filter(({ metadata: { acceleratorType, type, manualSelectionOnly } }) =>
    acceleratorType === "gpu" && type !== "unoptimized" && !manualSelectionOnly
  ).toSorted(compare);
  const byUse = Map.groupBy(
    candidates,
    ({ metadata: { acceleratorModel, metric } }) => `${acceleratorModel} ${metric}`,
  );
  const best = [...byUse.values()].flatMap((group) => group.slice(0, 1));
  return best.toSorted((a, b) => a.id < b.id ? -1 : 1).map(({ id, metadata }) => {
    const { acceleratorModel: gpuModel, acceleratorCount: gpuCount, precision, metric } = metadata;
    const description = `${gpuCount} ${gpuModel} in ${precision}, for ${metric}`;
    return { gpuModel, gpuCount, precision, metric, description, profileId: id };
  });
}

function compare({ id: idA, metadata: a }: Profile, { id: idB, metadata: b }: Profile): number {
  return Number(b.primary) - Number(a.primary) ||
    PRECISIONS.indexOf(a.precision) - PRECISIONS.indexOf(b.precision) ||
    PROFILE_TYPES.indexOf(a.type) - PROFILE_TYPES.indexOf(b.type) ||
    a.acceleratorCount - b.acceleratorCount || (idA < idB ? -1 : 1);
}

type Kind = "text" | "list" | "boolean";

/** All keys, by label name. */
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
 * Reads the metadata that AIM Engine shows for a model's image, from `container/metadata/ORG/MODEL.yaml`:
 * nested mappings whose joined keys are the label names.
 *
 * @returns Values by label name, in the order of the table: lists joined by comma and space, booleans as
 * `True` and `False`.
 * @throws {Error} Listing every key that is unknown, missing or of the wrong type.
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
