/** Which files are wanted. */
export interface Globs {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/**
 * The globs in `AIM_HF_INCLUDE` and `AIM_HF_EXCLUDE` of AMD's AIM Engine operator, or in KServe's
 * `STORAGE_ALLOW_PATTERNS` and `STORAGE_IGNORE_PATTERNS`, for S3 too: separated by commas, or a JSON array.
 */
export function operatorGlobs(env: Readonly<Record<string, string | undefined>>): Globs {
  return {
    include: globs(env.AIM_HF_INCLUDE ?? env.STORAGE_ALLOW_PATTERNS),
    exclude: globs(env.AIM_HF_EXCLUDE ?? env.STORAGE_IGNORE_PATTERNS),
  };
}

function globs(text = ""): readonly string[] {
  const all = /^\s*\[/.test(text) ? jsonList(text) : text.split(",");
  return all.map((glob) => glob.trim()).filter((glob) => glob !== "");
}

/** A `[` may also begin a class of characters. */
function jsonList(text: string): string[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value.map(String);
  } catch { /* a glob */ }
  return text.split(",");
}
