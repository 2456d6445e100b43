import { remedyInWords } from "../cache/judge/remedy_in_words.ts";
import type { ModelPlace } from "../cache/types.ts";

/** The path that an engine is given: a directory, or a GGUF file. */
export function fileOf({ path, gguf }: Extract<ModelPlace, { kind: "path" }>): string {
  return gguf === undefined ? path : `${path}/${gguf}`;
}

/** Text about why a model is missing: every place, and what is missing there. */
export function missingInWords(place: ModelPlace): string {
  return place.looked.map(({ path, reason }) => `${path}: ${reason}`).join("; ");
}

/**
 * What fixes the first place with a part of the model; `null` if there is none. @param name `org/model`.
 */
export function remedyFor(place: ModelPlace, name: string): string | null {
  const remedy = place.looked.find((one) => one.remedy !== undefined)?.remedy;
  return remedy === undefined ? null : remedyInWords(remedy, name);
}
