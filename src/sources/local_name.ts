import { AimError } from "../errors/aim_error.ts";
import { type ModelRef, quantisationIn, uriOf } from "./model_ref.ts";
import { pathFault } from "./safe_path.ts";

/** A model and its name in the cache, which clients also use. */
export interface NamedModel {
  readonly ref: ModelRef;
  readonly name: string;
  /** `hf://org/model[:QUANTISATION]`, `s3://bucket/prefix`, or the path. */
  readonly uri: string;
}

/** Names a model by {@linkcode localNameOf}. */
export function namedModel(ref: ModelRef, given: string | null): NamedModel {
  const quantisation = quantisationIn(ref);
  const uri = `${uriOf(ref)}${quantisation === undefined ? "" : `:${quantisation}`}`;
  return { ref, name: localNameOf(ref, given), uri };
}

/**
 * A model's name in the cache: `--model-name` (`given`), else the hub's id, else the last two parts of a
 * prefix, repository or path, else the bucket.
 *
 * @throws {AimError} `usage`: `--model-name` with a hub model, or an unsafe name.
 */
export function localNameOf(ref: ModelRef, given: string | null = null): string {
  if (ref.kind === "hub") {
    if (given === null || given === ref.id) return ref.id;
    throw new AimError("usage", `--model-name "${given}" cannot rename ${uriOf(ref)}`, {
      hint: "omit it (and AIM_CUSTOM_MODEL_NAME): a hub model keeps its name",
    });
  }
  const name = given ?? derivedName(ref);
  const fault = nameFault(name);
  if (fault === null) return name;
  const quoted = JSON.stringify(name);
  const [message, hint] = given === null
    ? [`${uriOf(ref)} would be named ${quoted} in the cache`, "name it with --model-name org/model"]
    : [`--model-name ${quoted} is not a valid name in the cache`, "use org/model"];
  throw new AimError("usage", `${message}: ${fault}`, { hint });
}

function derivedName(ref: Exclude<ModelRef, { kind: "hub" }>): string {
  switch (ref.kind) {
    case "s3":
      // The bucket's name is the last part of an access point's ARN, or follows the tenant.
      return lastTwoParts(ref.prefix) || (ref.bucket.split(/[:/]/).at(-1) ?? "");
    case "oci":
      return lastTwoParts(ref.repository);
    case "oci-layout":
      return lastTwoParts(ref.directory);
    case "path":
      return lastTwoParts(ref.path);
  }
}

function lastTwoParts(path: string): string {
  return path.split("/").filter((part) => part !== "").slice(-2).join("/");
}

function nameFault(name: string): string | null {
  const parts = name.split("/");
  const fault = parts.length > 2 ? "it has more than two parts" : pathFault(name);
  if (fault !== null) return fault;
  const start = /(?:^|\/)([.-])/.exec(name)?.[1];
  if (start !== undefined) return `a part begins with "${start}"`;
  return parts[0] === "hub" ? '"hub" is the folder of the Hugging Face cache' : null;
}
