import { AimError } from "../errors/aim_error.ts";
import { hubNameFault, pathFault } from "../sources/safe_path.ts";

/**
 * Checks that a model's name in the cache has one or two safe parts.
 *
 * @throws {AimError} `usage`, naming the value.
 */
export function checkLocalName(name: string): void {
  const fault = name.split("/").length > 2 ? "it has more than two parts" : pathFault(name);
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
  const fault = hubNameFault(name);
  if (fault === null) return;
  const message = `${JSON.stringify(name)} cannot be loaded from the Hugging Face cache: ${fault}`;
  throw new AimError("usage", message, {
    hint: "give it another name with --model-name, or use the local directory layout",
  });
}
