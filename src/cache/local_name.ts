import { AimError } from "../errors/aim_error.ts";
import { pathFault } from "../sources/safe_path.ts";

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
  for (const [fault, why] of HUB_FAULTS) {
    const [found] = fault.exec(name) ?? [];
    if (found === undefined) continue;
    throw new AimError(
      "usage",
      `${JSON.stringify(name)} cannot be loaded from the Hugging Face cache: ${why(found)}`,
      {
        hint: "give it another name with --model-name, or use the local directory layout",
      },
    );
  }
}

const HUB_FAULTS: readonly (readonly [RegExp, (found: string) => string])[] = [
  [/--|\.\.|[^\p{L}\p{N}_.\-/]/u, (found) => `it contains ${JSON.stringify(found)}`],
  [/(?:^|\/)[-.]|[-.](?:\/|$)/, () => "a part of it begins or ends with a dash or a dot"],
  [/[^/]{97}$/, () => "it is longer than 96 characters"],
  [/\.git$/, () => 'it ends in ".git"'],
];
