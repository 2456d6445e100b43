/**
 * The npm libraries that are loaded only when they are needed: each is a separate file, even in the
 * executable.
 */
interface Libraries {
  aws_s3: typeof import("./aws_s3.ts");
  hugging_face: typeof import("./hugging_face.ts");
  yaml: typeof import("./yaml.ts");
}

/**
 * Loads a library. Its address is computed, so that Deno does not read the file before the program starts.
 * They are bundled without code splitting: the chunk of a CommonJS package that a library imports would
 * export only `default`.
 */
export async function loadLibrary<Name extends keyof Libraries>(name: Name): Promise<Libraries[Name]> {
  const here = import.meta.url;
  return await import(new URL(`./${name}.${here.endsWith(".ts") ? "ts" : "js"}`, here).href);
}
