import { jsonOrNull } from "../values/json.ts";

/**
 * The globs in `AIM_HF_INCLUDE` and `AIM_HF_EXCLUDE` of AMD's AIM Engine operator, or in KServe's
 * `STORAGE_ALLOW_PATTERNS` and `STORAGE_IGNORE_PATTERNS`, for S3 too: separated by commas, or a JSON array.
 */
export function operatorGlobs(env: Readonly<Record<string, string | undefined>>) {
  return {
    include: globs(env.AIM_HF_INCLUDE ?? env.STORAGE_ALLOW_PATTERNS),
    exclude: globs(env.AIM_HF_EXCLUDE ?? env.STORAGE_IGNORE_PATTERNS),
  };
}

function globs(text = ""): readonly string[] {
  // Text that starts with `[` may also be a glob with a character class.
  const list = jsonOrNull(text);
  const all = Array.isArray(list) ? list.map(String) : text.split(",");
  return all.map((glob) => glob.trim()).filter((glob) => glob !== "");
}
