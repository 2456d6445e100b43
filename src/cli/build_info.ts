export interface BuildInfo {
  readonly version: string;
  /** `null` if unknown, as in the source tree. */
  readonly commit: string | null;
  readonly form: "source" | "compiled" | "self-extracting";
}

/** Reads `build.json`, which packaging puts next to the main module, or in the source tree deno.json. */
export function readBuildInfo(): BuildInfo {
  const built = readJson(new URL("build.json", Deno.mainModule));
  const version = textOf((built ?? readJson(new URL("deno.json", Deno.mainModule)))?.version) ?? "unknown";
  if (built === null) return { version, commit: null, form: "source" };
  const form = built.form === "self-extracting" ? built.form : "compiled";
  return { version, commit: textOf(built.commit), form };
}

function readJson(url: URL): Partial<Record<keyof BuildInfo, unknown>> | null {
  try {
    return Object(JSON.parse(Deno.readTextFileSync(url)));
  } catch {
    return null;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
