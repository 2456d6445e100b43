import { remedyInWords } from "../cache/judge/remedy_in_words.ts";
import type { ModelPlace } from "../cache/types.ts";

/** Why a model cannot be served without a download: every place looked at, and what is missing there. */
export function missingInWords(place: ModelPlace): string {
  return place.looked.map(({ path, reason }) => `${path}: ${reason}`).join("; ");
}

/**
 * What fixes the first place that holds something of the model; `null` if none does. @param name `org/model`.
 */
export function remedyFor(place: ModelPlace, name: string): string | null {
  const remedy = place.looked.find((one) => one.remedy !== undefined)?.remedy;
  return remedy === undefined ? null : remedyInWords(remedy, name);
}
