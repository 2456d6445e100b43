import { isPickle } from "./weight_files.ts";

/** A file that can run its publisher's code when it is loaded. */
export interface UnsafeFile {
  readonly path: string;
  /** `pickle`: weights whose loading can run code. `code`: a configuration that names the model's own Python code (`auto_map`). */
  readonly kind: "pickle" | "code";
}

/**
 * Finds the files of a model that can run code, by their format only.
 *
 * @param configs Parsed configurations by path.
 */
export function unsafeFiles(
  paths: Iterable<string>,
  configs: ReadonlyMap<string, unknown>,
): readonly UnsafeFile[] {
  const code = [...configs].filter(([, value]) =>
    typeof value === "object" && value !== null && "auto_map" in value
  );
  return [
    ...[...paths].filter(isPickle).map((path): UnsafeFile => ({ path, kind: "pickle" })),
    ...code.map(([path]): UnsafeFile => ({ path, kind: "code" })),
  ];
}

/** Text about them; `null` if there are none. */
export function unsafeInWords(files: readonly UnsafeFile[]): string | null {
  const of = (kind: UnsafeFile["kind"]) => files.filter((file) => file.kind === kind).map(({ path }) => path);
  const [pickles, code] = [of("pickle"), of("code")];
  const clauses = [
    ...(pickles.length === 0
      ? []
      : [`pickled files, which can run code when they are loaded: ${some(pickles)}`]),
    ...(code.length === 0 ? [] : [`Python code of its own (auto_map), named in ${some(code)}`]),
  ];
  return clauses.length === 0 ? null : `it has ${clauses.join("; and ")}`;
}

function some(paths: readonly string[]): string {
  const shown = paths.slice(0, 3).join(", ");
  return paths.length > 3 ? `${shown} and ${paths.length - 3} more` : shown;
}
