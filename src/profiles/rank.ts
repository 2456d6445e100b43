import { PRECISIONS, type Profile, PROFILE_TYPES } from "./types.ts";

/**
 * Order among profiles that fit, better first: a model's own (custom ones too) before general ones, with an
 * automatic count those that use every GPU, priority, precision, type, the larger count, then id. Total: no
 * two profiles of one set have the same id.
 *
 * @param available How many GPUs an automatic count may use; `null` if a count was requested or none is
 * known.
 */
export function compareProfiles(a: Profile, b: Profile, available: number | null): number {
  const [of, and] = [a.metadata, b.metadata];
  return Number(a.priority === 3) - Number(b.priority === 3) ||
    (available === null
      ? 0
      : Number(and.acceleratorCount === available) - Number(of.acceleratorCount === available)) ||
    a.priority - b.priority ||
    PRECISIONS.indexOf(of.precision) - PRECISIONS.indexOf(and.precision) ||
    PROFILE_TYPES.indexOf(of.type) - PROFILE_TYPES.indexOf(and.type) ||
    and.acceleratorCount - of.acceleratorCount ||
    compareText(a.id, b.id) ||
    compareText(a.path, b.path);
}

/** By code point, whatever the locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
