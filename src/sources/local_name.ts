import { AimError } from "../errors/aim_error.ts";
import { type ModelRef, uriOf } from "./model_ref.ts";
import { partFault } from "./safe_path.ts";

/**
 * The name that a model has in the cache, one or two components: `--model-name`; else for the hub its id; for
 * S3, a registry and a path the last two components, else the last one, else the bucket.
 *
 * @throws {AimError} `usage`: `--model-name` with a hub model, or a name that does not stay in its place in
 * the cache.
 */
export function localNameOf(ref: ModelRef, options: { modelName?: string | null | undefined } = {}): string {
  const given = options.modelName ?? null;
  if (ref.kind === "hub") {
    if (given === null || given === ref.id) return ref.id;
    throw new AimError("usage", `--model-name "${given}" does not go with ${uriOf(ref)}`, {
      hint:
        "leave it out (and AIM_CUSTOM_MODEL_NAME): a hub model keeps its name, --model-name is for S3 sources",
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
  // Of an access point's ARN, and where a tenant stands before the bucket, the last part is the name.
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
  // The Hugging Face cache lies at <cache>/hub.
  return parts[0] === "hub" ? 'the Hugging Face cache lies in "hub"' : null;
}
