import { PRECISIONS, type Profile, PROFILE_TYPES } from "./types.ts";

/**
 * Order among profiles that fit, better first: priority (custom, model, general), precision, type, with an automatic count
 * the larger count, then id. Total: no two profiles of one set have the same id.
 */
export function compareProfiles(a: Profile, b: Profile, options: { automaticCount: boolean }): number {
  return a.priority - b.priority ||
    PRECISIONS.indexOf(a.metadata.precision) - PRECISIONS.indexOf(b.metadata.precision) ||
    PROFILE_TYPES.indexOf(a.metadata.type) - PROFILE_TYPES.indexOf(b.metadata.type) ||
    (options.automaticCount ? b.metadata.gpuCount - a.metadata.gpuCount : 0) ||
    compareText(a.id, b.id) ||
    compareText(a.path, b.path);
}

/** By code point, whatever the locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
