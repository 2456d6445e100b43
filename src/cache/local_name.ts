import { AimError } from "../errors/aim_error.ts";
import { partFault } from "../sources/safe_path.ts";

/**
 * Checks that a model's name in the cache has one or two safe parts.
 *
 * @throws {AimError} `usage`, naming the value.
 */
export function checkLocalName(name: string): void {
  const parts = name.split("/");
  const fault = parts.length > 2
    ? "it has more than two parts"
    : parts.map(partFault).find((one) => one !== null) ?? null;
  if (fault === null) return;
  throw new AimError("usage", `${JSON.stringify(name)} is not the name of a model in the cache: ${fault}`, {
    hint: "use org/model",
  });
}

/**
 * Checks a model's name by the rules of the Hugging Face libraries (`validate_repo_id`), which could not load any other
 * name from their cache. There, `/` is written `--`, so that names with `--` could share a folder.
 *
 * @throws {AimError} `usage`, naming the value.
 */
export function checkHubName(name: string): void {
  checkLocalName(name);
  const fault = /--|\.\./.exec(name)?.[0] ?? /[^\p{L}\p{N}_.\-/]/u.exec(name)?.[0];
  const why = fault !== undefined
    ? `it contains ${JSON.stringify(fault)}`
    : name.split("/").some((part) => /^[-.]|[-.]$/.test(part))
    ? "a part of it begins or ends with a dash or a dot"
    : (name.split("/").at(-1) ?? "").length > 96
    ? "it is longer than 96 characters"
    : /\.git$/.test(name)
    ? 'it ends in ".git"'
    : null;
  if (why === null) return;
  throw new AimError(
    "usage",
    `${JSON.stringify(name)} cannot be loaded from the Hugging Face cache: ${why}`,
    { hint: "give it another name with --model-name, or use the local directory layout" },
  );
}
