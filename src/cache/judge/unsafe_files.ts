import { isPickle } from "./weight_files.ts";
import { fieldsOf } from "../../values/json.ts";

/** Files of a model that can run their publisher's code when they are loaded. */
export interface UnsafeFiles {
  /** Its `config.json` names the model's own Python code (`auto_map`). */
  readonly code: boolean;
  /** A clause: "it has …". */
  readonly words: string;
}

/**
 * Finds the files of a model that can run code, by their format only; `null` if there are none.
 *
 * @param config The parsed `config.json`; `null` if it is not known.
 */
export function unsafeFiles(paths: Iterable<string>, config: unknown): UnsafeFiles | null {
  const pickles = [...paths].filter(isPickle);
  const code = "auto_map" in fieldsOf(config);
  if (pickles.length === 0 && !code) return null;
  const more = pickles.length > 3 ? ` and ${pickles.length - 3} more` : "";
  const clauses = [
    ...pickles.length === 0
      ? []
      : [`pickled files, which can run code when they are loaded: ${pickles.slice(0, 3).join(", ")}${more}`],
    ...code ? ["its own Python code (auto_map), named in config.json"] : [],
  ];
  return { code, words: `it has ${clauses.join("; and ")}` };
}
