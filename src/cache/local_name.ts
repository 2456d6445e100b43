import { AimError } from "../errors/aim_error.ts";
import { partFault } from "../sources/safe_path.ts";

/**
 * Holds a model's name in the cache to one or two plain components.
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
 * Holds a model's name to what the Hugging Face libraries take for one (`validate_repo_id`): what they refuse could be stored in their
 * cache, but never loaded from it. Two names also must not share a folder there, in which `/` is written `--`.
 *
 * @throws {AimError} `usage`, naming the value.
 */
export function checkHubName(name: string): void {
  checkLocalName(name);
  const fault = /--|\.\./.exec(name)?.[0] ?? /[^\p{L}\p{N}_.\-/]/u.exec(name)?.[0];
  const why = fault !== undefined
    ? `it holds ${JSON.stringify(fault)}`
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
    {
      hint: "give it another name with --model-name, or use the local directory layout",
    },
  );
}
