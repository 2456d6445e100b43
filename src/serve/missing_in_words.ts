import { remedyInWords } from "../cache/judge/remedy_in_words.ts";
import type { Resolution } from "../cache/types.ts";

/** Why a model cannot be served without a download: every place looked at, and what is missing there. */
export function missingInWords(resolution: Resolution): string {
  return resolution.looked.map((place) => `${place.path}: ${place.reason}`).join("; ");
}

/** What fixes the first place that holds something of the model; `null` where none does. @param name `org/model`. */
export function remedyFor(resolution: Resolution, name: string): string | null {
  const remedy = resolution.looked.find((place) => place.remedy !== undefined)?.remedy;
  return remedy === undefined ? null : remedyInWords(remedy, name);
}
