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
  const maps = new Map<string, ConfigMap>();
  for (const file of files) maps.set(file[0], mapOf(file[1]));
  return maps;
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

// Plain loops and indices: this runs once, cold, where destructuring and iterators take three times as long.
function mapOf(pairs: readonly [string, Packed][]): Map<string, ConfigValue> {
  const map = new Map<string, ConfigValue>();
  for (let at = 0; at < pairs.length; at++) {
    const pair = pairs[at];
    if (pair !== undefined) map.set(pair[0], unpacked(pair[1]));
  }
  return map;
}
