export interface BuildInfo {
  readonly version: string;
  /** `null` if unknown, as in the source tree. */
  readonly commit: string | null;
  readonly form: "source" | "compiled" | "self-extracting";
}

/** Reads `build.json`, which packaging puts next to the main module; in the source tree, deno.json. */
export function readBuildInfo(): BuildInfo {
  return readJson("build.json") ??
    { version: readJson("deno.json")?.version ?? "unknown", commit: null, form: "source" };
}

function readJson(name: string): BuildInfo | null {
  try {
    return JSON.parse(Deno.readTextFileSync(new URL(name, Deno.mainModule))) as BuildInfo;
  } catch {
    return null;
  }
}
