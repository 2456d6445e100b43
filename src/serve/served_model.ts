import { lookAt, resolveModel } from "../cache/resolve_model.ts";
import type { ModelPlace } from "../cache/types.ts";
import { log } from "../log/logger.ts";
import { type ModelRef, parseModelRef, quantisationIn, revisionIn } from "../sources/model_ref.ts";
import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import { type NamedModel, namedModel } from "../sources/local_name.ts";

/**
 * The model that a configuration requests, before a profile is chosen.
 *
 * @throws {AimError} `usage` unless exactly one of `AIM_ID` and `AIM_MODEL_ID` is set, and names a model.
 */
export function wantedModel({ aimId, modelId, origins }: Config): ModelRef {
  if (aimId !== null && modelId !== null) {
    const first = origins.aimId === "flag" ? "--aim-id" : "AIM_ID";
    const second = origins.modelId === "flag" ? "--model" : "AIM_MODEL_ID";
    const message = `${first} is ${JSON.stringify(aimId)} and ${second} is ${JSON.stringify(modelId)}`;
    throw new AimError("usage", message, {
      hint: "set only one: an image made for a model sets AIM_ID, with other images use AIM_MODEL_ID",
    });
  }
  if (modelId !== null) return parseModelRef(modelId);
  if (aimId === null) {
    throw new AimError("usage", "no model is named", {
      hint:
        "name one, as in aim serve org/model, or with --model or AIM_MODEL_ID; aim help lists the commands",
    });
  }
  const ref = parseModelRef(aimId);
  if (ref.kind === "hub" && ref.revision === null) return ref;
  throw new AimError("usage", `AIM_ID is "${aimId}"`, {
    hint: "use org/model; another source or revision goes in AIM_MODEL_ID instead of AIM_ID",
  });
}

/** The folder of a model's profiles, `org/model`; `null`: only general profiles are candidates. */
export function profileSetOf(wanted: ModelRef): string | null {
  return wanted.kind === "hub" ? wanted.id : null;
}

/**
 * The model to load: the profile's `model_id`, else the requested one. A revision in `AIM_MODEL_ID` belongs
 * to the model that it names, not to another one that the profile names.
 *
 * @throws {AimError} `usage` if its name would escape the cache.
 */
export function modelToLoad(config: Config, wanted: ModelRef, profileModel: string | null): NamedModel {
  return profileModel === null || wanted.kind !== "hub" || wanted.id === profileModel
    ? namedModel(wanted, config.modelName)
    : namedModel(parseModelRef(profileModel), null);
}

/** Looks the chosen model up in the caches. */
export async function resolveServing(config: Config, { ref, name }: NamedModel): Promise<ModelPlace> {
  const [revision, quantisation] = [revisionIn(ref) ?? undefined, quantisationIn(ref)];
  const place = ref.kind === "path"
    ? await resolvePath(ref.path, name)
    : await resolveModel({ paths: config, name, revision, quantisation });
  for (const { layout, path, state, reason } of place.looked) {
    log.debug(`place ${path}`, { layout, state, reason });
  }
  return place;
}

/** A path is served as is: its faults are only warnings, and its links may point anywhere. */
async function resolvePath(path: string, name: string): Promise<ModelPlace> {
  const info = await Deno.stat(path).catch((cause) => {
    throw new AimError("not-found", `AIM_MODEL_ID is ${path}, which does not exist`, {
      hint: "check the path and that its volume is mounted",
      cause,
    });
  });
  const judged = info.isDirectory ? await lookAt({ layout: "local", path }, ["/"]) : null;
  const fault = judged === null || judged.state === "complete" ? "" : `, but ${judged.reason}`;
  if (fault !== "") log.warn(`${path} is served as is${fault}`);
  const reason = `a path is served as is${fault}`;
  return { kind: "path", path, name, looked: [{ layout: "path", path, state: "complete", reason }] };
}

/** The path to give the engine: a directory, or a GGUF file. */
export function fileOf({ path, gguf }: Extract<ModelPlace, { kind: "path" }>): string {
  return gguf === undefined ? path : `${path}/${gguf}`;
}

/** Why a model is missing: every place, and what is missing there. */
export function missingInWords(place: ModelPlace): string {
  return place.looked.map(({ path, reason }) => `${path}: ${reason}`).join("; ");
}
