import { isPickle } from "./weight_files.ts";

/** A file that can run code of its publisher's where it is loaded. */
export interface UnsafeFile {
  readonly path: string;
  /** `pickle`: weights whose loading can run code. `code`: a configuration that names Python code of the model's own (`auto_map`). */
  readonly kind: "pickle" | "code";
}

/**
 * Names the files of a model that can run code: no scanner, only what they are.
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

/** The same in one clause; `null` where there are none. */
export function unsafeInWords(files: readonly UnsafeFile[]): string | null {
  const of = (kind: UnsafeFile["kind"]) => files.filter((file) => file.kind === kind).map(({ path }) => path);
  const [pickles, code] = [of("pickle"), of("code")];
  const clauses = [
    ...(pickles.length === 0
      ? []
      : [`pickled files, which can run code when they are loaded: ${some(pickles)}`]),
    ...(code.length === 0 ? [] : [`code of the model's own (auto_map), named in ${some(code)}`]),
  ];
  return clauses.length === 0 ? null : `it has ${clauses.join("; and ")}`;
}

function some(paths: readonly string[]): string {
  const shown = paths.slice(0, 3).join(", ");
  // deno-lint-ignore no-control-regex
  const clean = shown.replace(/[\x00-\x1f\x7f]/g, "\ufffd");
  return paths.length > 3 ? `${clean} and ${paths.length - 3} more` : clean;
}
