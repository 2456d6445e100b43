import type { Config } from "../config/config.ts";
import { requireModel } from "../config/require_model.ts";
import { AimError } from "../errors/aim_error.ts";
import { localNameOf } from "../sources/local_name.ts";
import { type ModelRef, parseModelRef, quantisationIn, uriOf } from "../sources/model_ref.ts";

/** The model that a configuration asks for, before a profile is chosen. */
export interface WantedModel {
  /**
   * Names the folder of profiles: `org/model`; `null` if the model is an S3 URI or a path, and only general
   * profiles are candidates.
   */
  readonly profileSet: string | null;
  /** What `AIM_MODEL_ID` names; `null` if `AIM_ID` is set instead. */
  readonly ref: ModelRef | null;
}

/** The model that is to be loaded. */
export interface NamedModel {
  readonly ref: ModelRef;
  /** The name it has in the cache, and that clients use. */
  readonly name: string;
  /** `hf://org/model[:QUANTISATION]`, `s3://bucket/prefix`, or the path. */
  readonly uri: string;
}

/**
 * Reads `AIM_ID` or `AIM_MODEL_ID`.
 *
 * @throws {AimError} `usage` if both, neither, or no name of a model is set.
 */
export function wantedModel(config: Config): WantedModel {
  const wanted = requireModel(config);
  const ref = parseModelRef(wanted.model);
  if (wanted.setting === "modelId") return { profileSet: ref.kind === "hub" ? ref.id : null, ref };
  if (ref.kind === "hub" && ref.revision === null) return { profileSet: ref.id, ref: null };
  throw new AimError("usage", `AIM_ID is "${wanted.model}"`, {
    hint: "use org/model; another source or revision goes in AIM_MODEL_ID instead of AIM_ID",
  });
}

/**
 * The model to load: what the profile names, else `AIM_MODEL_ID`, else `AIM_ID`. A revision in `AIM_MODEL_ID`
 * belongs to the model that it names, not to another one that the profile names.
 *
 * @param profileModel The profile's `model_id`.
 * @throws {AimError} `usage` if its name does not stay in the cache.
 */
export function modelToLoad(config: Config, wanted: WantedModel, profileModel: string | null): NamedModel {
  const own = wanted.ref ?? parseModelRef(config.aimId ?? "");
  return profileModel === null || own.kind !== "hub" || own.id === profileModel
    ? namedModel(own, config.modelName)
    : namedModel(parseModelRef(profileModel), null);
}

/**
 * A reference with its local name.
 *
 * @param modelName `--model-name`, for S3 sources only.
 * @throws {AimError} `usage`.
 */
export function namedModel(ref: ModelRef, modelName: string | null): NamedModel {
  const quantisation = quantisationIn(ref);
  const uri = `${uriOf(ref)}${quantisation === undefined ? "" : `:${quantisation}`}`;
  return { ref, name: localNameOf(ref, { modelName }), uri };
}
