import type { ModelPlace } from "./types.ts";

/** The directory of a model that was found: its own, or its snapshot's. */
export function pathOfPlace(place: Exclude<ModelPlace, { kind: "missing" }>): string {
  return place.kind === "path" ? place.path : place.snapshot;
}
