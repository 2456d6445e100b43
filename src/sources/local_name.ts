import { AimError } from "../errors/aim_error.ts";
import { type ModelRef, uriOf } from "./model_ref.ts";
import { partFault } from "./safe_path.ts";

/**
 * A model's name in the cache, of one or two parts: `--model-name`, else the hub's id, else the last two parts of a
 * prefix, repository or path, else the bucket.
 *
 * @throws {AimError} `usage`: `--model-name` with a hub model, or an unsafe name.
 */
export function localNameOf(ref: ModelRef, options: { modelName?: string | null | undefined } = {}): string {
  const given = options.modelName ?? null;
  if (ref.kind === "hub") {
    if (given === null || given === ref.id) return ref.id;
    throw new AimError("usage", `--model-name "${given}" is given with ${uriOf(ref)}`, {
      hint: "leave it out (and AIM_CUSTOM_MODEL_NAME): a hub model keeps its name, --model-name is for S3",
    });
  }
  const name = given ?? derivedName(ref);
  const fault = nameFault(name);
  if (fault === null) return name;
  throw given === null
    ? new AimError("usage", `${uriOf(ref)} would be named ${JSON.stringify(name)} in the cache: ${fault}`, {
      hint: "name it with --model-name org/model",
    })
    : new AimError("usage", `--model-name ${JSON.stringify(given)} is not a name in the cache: ${fault}`, {
      hint: "use org/model",
    });
}

function derivedName(ref: Exclude<ModelRef, { kind: "hub" }>): string {
  const parts = namingPath(ref).split("/").filter((part) => part !== "");
  // The name is the last part of an access point's ARN, or follows a tenant.
  return parts.slice(-2).join("/") || (ref.kind === "s3" ? ref.bucket.split(/[:/]/).at(-1) ?? "" : "");
}

function namingPath(ref: Exclude<ModelRef, { kind: "hub" }>): string {
  switch (ref.kind) {
    case "s3":
      return ref.prefix;
    case "oci":
      return ref.repository;
    case "oci-layout":
      return ref.directory;
    case "path":
      return ref.path;
  }
}

function nameFault(name: string): string | null {
  if (name.startsWith("/")) return "it is absolute";
  const parts = name.split("/");
  if (parts.length > 2) return "it has more than two parts";
  for (const part of parts) {
    const fault = partFault(part);
    if (fault !== null) return fault;
    if (/^[.-]/.test(part)) return `a part begins with "${part[0]}"`;
  }
  return parts[0] === "hub" ? '"hub" is the folder of the Hugging Face cache' : null;
}
