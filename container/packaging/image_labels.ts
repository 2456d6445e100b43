import { parse } from "yaml";
import { PRECISIONS, PROFILE_TYPES } from "../../src/profiles/types.ts";
import { readImageMetadata } from "./image_metadata.ts";

const PREFIX = "com.amd.aim.";

/** A profile file of the model. */
export interface ProfileFile {
  /** Its name without `.yaml`. */
  readonly stem: string;
  readonly text: string;
}

/**
 * The labels that AIM Engine reads from a model's image.
 *
 * @param metadata Text of the model's metadata file; `null` if it has none: then only its name is known.
 * @param files The model's own profiles, valid ones.
 * @throws {Error} if the metadata file is wrong.
 */
export function imageLabels(
  aimId: string,
  metadata: string | null,
  files: readonly ProfileFile[],
): Map<string, string> {
  const values = metadata === null ? new Map([["model.canonicalName", aimId]]) : readImageMetadata(metadata);
  values.set("model.recommendedDeployments", JSON.stringify(recommended(files)));
  return new Map([...values].map(([name, value]) => [PREFIX + name, value]));
}

/**
 * One way to run the model. AIM Engine also reads single quotes as double ones, so no text may hold an
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

/** A profile's metadata with both generations of names. */
interface Metadata {
  readonly accelerator_type?: string;
  readonly accelerator_model?: string;
  readonly accelerator_count?: number;
  readonly gpu?: string;
  readonly gpu_count?: number;
  readonly precision: string;
  readonly metric: string;
  readonly type: string;
  readonly manual_selection_only?: boolean;
  readonly primary?: boolean | null;
}

/**
 * For every GPU model and metric the primary profile, else the one that AMD's generator would mark as
 * primary.
 */
function recommended(files: readonly ProfileFile[]): Deployment[] {
  const candidates = files.map(({ stem, text }) => ({
    stem,
    metadata: (parse(text) as { metadata: Metadata }).metadata,
  }))
    .filter(({ metadata }) => metadata.accelerator_type !== "cpu" && isAutomatic(metadata))
    .toSorted((a, b) => compare(a.metadata, b.metadata) || (a.stem < b.stem ? -1 : 1));
  const best = new Map<string, Deployment>();
  for (const { stem, metadata } of candidates) {
    const { precision, metric } = metadata;
    const [gpuModel, gpuCount] = [modelOf(metadata), countOf(metadata)];
    const key = `${gpuModel} ${metric}`;
    const description = `${gpuCount} ${gpuModel} in ${precision}, for ${metric}`;
    if (!best.has(key)) {
      best.set(key, { gpuModel, gpuCount, precision, metric, description, profileId: stem });
    }
  }
  return [...best.values()].toSorted((a, b) => a.profileId < b.profileId ? -1 : 1);
}

function isAutomatic({ type, manual_selection_only }: Metadata): boolean {
  return type !== "unoptimized" && manual_selection_only !== true;
}

function compare(a: Metadata, b: Metadata): number {
  return Number(b.primary === true) - Number(a.primary === true) ||
    place(PRECISIONS, a.precision) - place(PRECISIONS, b.precision) ||
    place(PROFILE_TYPES, a.type) - place(PROFILE_TYPES, b.type) ||
    countOf(a) - countOf(b);
}

function place(order: readonly string[], word: string): number {
  return order.indexOf(word);
}

function modelOf({ accelerator_model, gpu }: Metadata): string {
  return accelerator_model ?? gpu ?? "";
}

function countOf({ accelerator_count, gpu_count }: Metadata): number {
  return accelerator_count ?? gpu_count ?? 0;
}
