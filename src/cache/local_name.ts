import { AimError } from "../errors/mod.ts";
import { partFault } from "../sources/mod.ts";

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
