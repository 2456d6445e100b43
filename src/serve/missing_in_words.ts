import type { Resolution } from "../cache/types.ts";

/** Why a model cannot be served without a download: every place looked at, and what is missing there. */
export function missingInWords(resolution: Resolution): string {
  return resolution.looked.map((place) => `${place.path}: ${place.reason}`).join("; ");
}
