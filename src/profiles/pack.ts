import { numberLiteral } from "./number_literal.ts";
import type { ConfigMap, ConfigValue } from "./types.ts";

/** Name of the file that holds all profiles of an embedded folder. */
export const PACK = "profiles.json";

/** A value as a pack holds it: mappings as pairs, in their order; lists and numbers marked, numbers by their spelling. */
type Packed = null | boolean | string | { n: string } | { l: Packed[] } | [string, Packed][];

/**
 * The profiles of a folder as one JSON text, by file name. An executable carries these instead of YAML files: to open and parse a
 * hundred of them takes half of what `aim` needs to start the engine.
 */
export function writePack(files: ReadonlyMap<string, ConfigMap>): string {
  return JSON.stringify([...files].map(([name, content]) => [name, packed(content)]));
}

/** Reads what {@linkcode writePack} wrote. */
export function readPack(text: string): Map<string, ConfigMap> {
  const files = JSON.parse(text) as [string, [string, Packed][]][];
  return new Map(files.map(([name, content]) => [name, mapOf(content)]));
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
  if ("l" in value) return value.l.map(unpacked);
  // Python's spellings of what is no number: inf and nan.
  return numberLiteral(Number(value.n.replace("inf", "Infinity")), value.n);
}

function mapOf(pairs: readonly [string, Packed][]): Map<string, ConfigValue> {
  return new Map(pairs.map(([key, value]) => [key, unpacked(value)]));
}
