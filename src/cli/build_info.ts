/** Version, commit and form of this build. */
export interface BuildInfo {
  readonly version: string;
  /** `null` if unknown. */
  readonly commit: string | null;
  readonly form: "source" | "compiled" | "self-extracting";
}

/**
 * Reads `build.json`, which packaging puts next to the main module, or in the source tree deno.json and `.git`.
 *
 * @param root URL of the main module, or of its directory with a final `/`.
 */
export function readBuildInfo(root: string): BuildInfo {
  const built = readJson(new URL("build.json", root));
  const version = textOf((built ?? readJson(new URL("deno.json", root)))?.version) ?? "unknown";
  if (built === null) return { version, commit: gitCommit(root), form: "source" };
  const form = built.form === "self-extracting" ? built.form : "compiled";
  return { version, commit: textOf(built.commit), form };
}

function gitCommit(root: string): string | null {
  const head = readText(new URL(".git/HEAD", root))?.trim() ?? null;
  const ref = /^ref: (.+)$/.exec(head ?? "")?.[1];
  if (ref === undefined) return head;
  const loose = readText(new URL(`.git/${ref}`, root))?.trim();
  const packed = readText(new URL(".git/packed-refs", root))?.split("\n");
  return loose ?? packed?.find((line) => line.endsWith(` ${ref}`))?.split(" ")[0] ?? null;
}

function readJson(url: URL): Partial<Record<keyof BuildInfo, unknown>> | null {
  const text = readText(url);
  return text === null ? null : Object(JSON.parse(text));
}

function readText(url: URL): string | null {
  try {
    return Deno.readTextFileSync(url);
  } catch {
    return null;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
