import { hubEnvironment } from "../cache/cache_paths.ts";
import type { ModelPlace } from "../cache/types.ts";
import type { Config } from "../config/config.ts";
import { buildCommand } from "../engine/engine_args.ts";
import { readAhead } from "../engine/fit_to_vllm.ts";
import { hideSecrets, type Shown } from "../engine/hide_secrets.ts";
import type { Profile } from "../profiles/types.ts";
import { quantisationIn, revisionIn } from "../sources/model_ref.ts";
import { fileOf, type NamedModel } from "./served_model.ts";
import type { ServingChoice } from "./serving_choice.ts";

/** A choice with the place of its model. */
export interface ServingPlan extends ServingChoice {
  readonly place: ModelPlace;
  /** The engine's command line; the first word is its program. */
  readonly argv: readonly string[];
  /**
   * What is exported over the caller's environment: the profile's, then the chosen devices, then what the
   * model's place needs.
   */
  readonly env: Readonly<Record<string, string>>;
  /** Profile, command line and variables with references instead of secrets. */
  readonly shown: Pick<Shown, "env" | "references"> & {
    readonly profile: Profile;
    readonly argv: readonly string[];
  };
}

/**
 * The command line and environment for a choice and the model's place. For a missing model, as after its
 * download: from the hub into the Hugging Face cache, others into the local directory.
 *
 * @param overNetwork Whether the model is on a network file system. @default {false}
 */
export function planServing(
  config: Config,
  choice: ServingChoice,
  place: ModelPlace,
  overNetwork = false,
): ServingPlan {
  const { engine, model, profile } = choice;
  const given = modelForEngine(config, model, place);
  const ahead = overNetwork && engine.package === "vllm" ? readAhead(choice.args, engine.version) : [];
  const args = new Map([...choice.args, ...ahead]);
  const revision = revisionIn(model.ref);
  // A local directory is one revision; the hub's cache has several.
  if (revision !== null && given.model === model.name) args.set("revision", revision);
  const env = { ...choice.env, ...given.env };
  const program = engine.program?.name ??
    (engine.launch[0] === "python" ? "python3" : engine.launch[0] ?? "");
  const hidden = hideSecrets(args, env);
  const shown = {
    profile: { ...profile, content: hideSecrets(profile.content, {}).args },
    argv: buildCommand(engine, program, given.model, hidden.args),
    env: hidden.env,
    references: hidden.references,
  };
  return { ...choice, place, argv: buildCommand(engine, program, given.model, args), env, shown };
}

function modelForEngine(
  config: Config,
  { ref, name }: NamedModel,
  place: ModelPlace,
): { model: string; env: Readonly<Record<string, string>> } {
  if (place.kind === "path") return { model: fileOf(place), env: {} };
  if (place.kind === "hub") return { model: place.id, env: place.env };
  if (ref.kind !== "hub") return { model: `${config.cachePath}/${name}`, env: {} };
  // Not offline, since the engine would have to download it.
  const quantisation = quantisationIn(ref);
  return {
    model: quantisation === undefined ? name : `${name}:${quantisation}`,
    env: hubEnvironment(config),
  };
}
