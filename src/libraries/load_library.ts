/**
 * The npm libraries that are loaded only when they are needed: each is a file of its own, also in the
 * executable.
 */
interface Libraries {
  aws_s3: typeof import("./aws_s3.ts");
  hugging_face: typeof import("./hugging_face.ts");
  yaml: typeof import("./yaml.ts");
}

/**
 * Loads a library. Its address is computed, so that Deno reads the file when this is called and not before
 * the program starts.
 *
 * They are bundled without code splitting, which breaks them: if a library loads a CommonJS package with
 * `import()`, the chunk exports `default` alone.
 */
export async function loadLibrary<Name extends keyof Libraries>(name: Name): Promise<Libraries[Name]> {
  const here = import.meta.url;
  return await import(new URL(`./${name}.${here.endsWith(".ts") ? "ts" : "js"}`, here).href);
}
