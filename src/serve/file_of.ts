import type { ModelPlace } from "../cache/types.ts";

/** The path that an engine is given: a directory, or a GGUF file. */
export function fileOf({ path, gguf }: Extract<ModelPlace, { kind: "path" }>): string {
  return gguf === undefined ? path : `${path}/${gguf}`;
}
