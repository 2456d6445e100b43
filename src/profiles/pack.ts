import { numberLiteral } from "./number_literal.ts";
import type { ConfigMap, ConfigValue, Profile } from "./types.ts";

/** Name of the file that holds all profiles of an embedded folder. */
export const PACK = "profiles.json";

/** A profile as a pack holds it. Arguments and variables are texts of their own: of a hundred profiles, those of one are needed. */
interface PackedProfile extends Pick<Profile, "aimId" | "modelId" | "metadata"> {
  /** The file's name. */
  readonly name: string;
  /** JSON of {@linkcode Packed} pairs. */
  readonly engineArgs: string;
  /** JSON of pairs. */
  readonly envVars: string;
}

/** A value as a pack holds it: mappings as pairs, in their order; lists and numbers marked, numbers by their spelling. */
type Packed = null | boolean | string | { n: string } | { l: Packed[] } | [string, Packed][];

/**
 * The profiles of a folder as one JSON text, by file name. An executable carries these instead of YAML files: to open and parse a
 * hundred of them takes half of what `aim` needs to start the engine.
 */
export function writePack(files: ReadonlyMap<string, Profile>): string {
  return JSON.stringify([...files].map(([name, profile]): PackedProfile => ({
    name,
    aimId: profile.aimId,
    modelId: profile.modelId,
    metadata: profile.metadata,
    engineArgs: JSON.stringify(packed(profile.engineArgs)),
    envVars: JSON.stringify([...profile.envVars]),
  })));
}

/**
 * Reads what {@linkcode writePack} wrote.
 *
 * @param placeOf What a file's name says of its profile.
 */
export function readPack(
  text: string,
  placeOf: (name: string) => Pick<Profile, "id" | "path" | "origin" | "priority">,
): Profile[] {
  return (JSON.parse(text) as PackedProfile[]).map((one) => {
    const { id, path, origin, priority } = placeOf(one.name);
    return {
      id,
      path,
      origin,
      priority,
      aimId: one.aimId,
      modelId: one.modelId,
      metadata: one.metadata,
      get engineArgs() {
        return mapOf(JSON.parse(one.engineArgs) as [string, Packed][]);
      },
      get envVars() {
        return new Map(JSON.parse(one.envVars) as [string, string][]);
      },
    };
  });
}

function packed(value: ConfigMap): [string, Packed][];
function packed(value: ConfigValue): Packed;
function packed(value: ConfigValue): Packed {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Map) return [...value].map(([key, item]) => [key, packed(item)]);
  return Array.isArray(value)
    ? { l: value.map((item) => packed(item)) }
    : { n: (value as { text: string }).text };
}

function unpacked(value: Packed): ConfigValue {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return mapOf(value);
  return "l" in value ? value.l.map(unpacked) : numberLiteral(numberOf(value.n), value.n);
}

/** Also Python's spellings of what is no number: inf and nan. */
function numberOf(text: string): number {
  const value = Number(text);
  return Number.isNaN(value) && text.endsWith("inf") ? Number(text.replace("inf", "Infinity")) : value;
}

function mapOf(pairs: readonly [string, Packed][]): Map<string, ConfigValue> {
  return new Map(pairs.map(([key, value]) => [key, unpacked(value)]));
}
