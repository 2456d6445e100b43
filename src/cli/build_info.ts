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
  if (built !== null) {
    return {
      version: textOf(built.version) ?? "unknown",
      commit: textOf(built.commit),
      form: built.form === "self-extracting" ? "self-extracting" : "compiled",
    };
  }
  const version = textOf(readJson(new URL("deno.json", root))?.version) ?? "unknown";
  return { version, commit: gitCommit(root), form: "source" };
}

function gitCommit(root: string): string | null {
  const head = readText(new URL(".git/HEAD", root))?.trim();
  const ref = /^ref: (.+)$/.exec(head ?? "")?.[1];
  if (head === undefined || ref === undefined) return head ?? null;
  const loose = readText(new URL(`.git/${ref}`, root))?.trim();
  if (loose !== undefined) return loose;
  const packed = readText(new URL(".git/packed-refs", root));
  return packed?.split("\n").find((line) => line.endsWith(` ${ref}`))?.split(" ")[0] ?? null;
}

function readJson(url: URL): Record<string, unknown> | null {
  const text = readText(url);
  if (text === undefined) return null;
  const value: unknown = JSON.parse(text);
  return value !== null && typeof value === "object" ? value as Record<string, unknown> : null;
}

function readText(url: URL): string | undefined {
  try {
    return Deno.readTextFileSync(url);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
