import { planAdapters } from "../adapters/plan_adapters.ts";
import { hubEnvironment } from "../cache/cache_paths.ts";
import type { ModelPlace } from "../cache/types.ts";
import type { Config } from "../config/config.ts";
import { buildCommand } from "../engine/command.ts";
import { readAhead } from "../engine/fit_to_vllm.ts";
import { hideSecrets } from "../engine/hide_secrets.ts";
import { parallelSize } from "../engine/parallel_size.ts";
import { visibleDevices } from "../engine/visible_devices.ts";
import { AimError } from "../errors/aim_error.ts";
import { chooseDevices } from "../gpu/choose_devices.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { log } from "../log/logger.ts";
import type { Profile } from "../profiles/types.ts";
import type { ConfigMap } from "../values/value.ts";
import { quantisationIn, revisionIn } from "../sources/model_ref.ts";
import { fileOf, type NamedModel } from "./served_model.ts";
import { engineArguments } from "./engine_arguments.ts";
import { type ProfileChoice, selectProfileFor } from "./select_profile_for.ts";
import type { ServingEngine } from "./serving_engine.ts";

/** What will be served, worked out from configuration, hardware and engine. */
export interface ServingChoice extends ProfileChoice {
  readonly engine: ServingEngine;
  /** Merged, and fitted to the engine's version. */
  readonly args: ConfigMap;
  /** The profile's variables, fitted, and the chosen devices. */
  readonly env: Readonly<Record<string, string>>;
  /** GPUs to leave to the engine, as `HIP_VISIBLE_DEVICES` takes them; `null`: all. */
  readonly hipVisibleDevices: string | null;
  /** True if a watcher loads LoRA adapters while the engine runs. */
  readonly watchesAdapters: boolean;
}

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
  readonly shown: {
    readonly profile: Profile;
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly references: ReadonlySet<string>;
  };
}

/** What serving follows from. */
export interface ServingInput {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly gpus: GpuInventory;
}

export interface ServingRequest extends ServingInput {
  readonly engine: ServingEngine;
  /** `show`: without a GPU, guess. */
  readonly need: "serve" | "show";
  /** The words after `--`, which override `AIM_ENGINE_ARGS`. @default {none} */
  readonly engineWords?: readonly string[];
}

/**
 * Chooses profile, model and devices, and fits the engine's arguments to its version.
 *
 * @throws {AimError} `usage`, `no-profile`.
 */
export async function chooseServing(request: ServingRequest): Promise<ServingChoice> {
  const { config, env, gpus, engine, need, engineWords = [] } = request;
  const choice = await selectProfileFor(config, gpus, need);
  const { profile } = choice;
  const adapters = await planAdapters(profile.id, profile.metadata.features, config);
  const { args, env: fittedEnv, warnings } = engineArguments({
    config,
    env,
    engine,
    engineWords,
    adapters,
    choice,
  });
  const { hipVisibleDevices, warnings: busy } = chooseDevices(gpus, gpuCount(profile, args, gpus));
  const visible = visibleDevices({ ...env, ...fittedEnv }, hipVisibleDevices);
  for (const warning of [...warnings, ...busy, ...visible.warnings]) log.warn(warning);
  return {
    ...choice,
    engine,
    args,
    env: { ...fittedEnv, ...visible.env },
    hipVisibleDevices,
    watchesAdapters: adapters.watch,
  };
}

/**
 * GPUs that the engine will use.
 *
 * @throws {AimError} `usage` if they are more than this container has.
 */
function gpuCount({ metadata }: Profile, args: ConfigMap, gpus: GpuInventory): number {
  const parallel = parallelSize(args);
  if (parallel === null) return metadata.acceleratorCount;
  const visible = gpus.gpus.filter((gpu) => gpu.visible);
  if (visible.length > 0 && parallel.gpus > visible.length) {
    throw new AimError(
      "usage",
      `the engine would need ${parallel.gpus} GPUs (${parallel.sizes}), and this container has ${visible.length}`,
      { hint: "lower the sizes in AIM_ENGINE_ARGS, or give the container more GPUs (see aim gpus)" },
    );
  }
  return parallel.gpus;
}

/**
 * The command line and environment for a choice and the model's place. For a missing model, as after its download: from
 * the hub into the Hugging Face cache, others into the local directory.
 *
 * @param overNetwork Whether the model is on a network file system. @default {false}
 */
export function planServing(
  config: Config,
  choice: ServingChoice,
  place: ModelPlace,
  overNetwork = false,
): ServingPlan {
  const { engine, model } = choice;
  const given = modelForEngine(config, model, place);
  const ahead = overNetwork && engine.package === "vllm" ? readAhead(choice.args, engine.version) : [];
  const args = new Map([...choice.args, ...ahead]);
  const revision = revisionIn(model.ref);
  // A local directory is one revision; the hub's cache has several.
  if (revision !== null && given.model === model.name) args.set("revision", revision);
  const env = { ...choice.env, ...given.env };
  const program = engine.program?.name ??
    (engine.launch[0] === "python" ? "python3" : engine.launch[0] ?? "");
  const commandOf = (shown: ConfigMap) => buildCommand(engine, program, given.model, shown);
  const hidden = hideSecrets(args, env);
  const shown = {
    profile: { ...choice.profile, content: hideSecrets(choice.profile.content, {}).args },
    argv: commandOf(hidden.args),
    env: hidden.env,
    references: hidden.references,
  };
  return { ...choice, place, argv: commandOf(args), env, shown };
}

function modelForEngine(
  config: Config,
  model: NamedModel,
  place: ModelPlace,
): { model: string; env: Readonly<Record<string, string>> } {
  switch (place.kind) {
    case "path":
      return { model: fileOf(place), env: {} };
    case "hub":
      return { model: place.id, env: place.env };
    case "missing":
      return model.ref.kind === "hub"
        // Not offline, since the engine would have to download it.
        ? { model: quantised(model), env: hubEnvironment(config) }
        : { model: `${config.cachePath}/${model.name}`, env: {} };
  }
}

/** The name for vLLM's own download. */
function quantised({ name, ref }: NamedModel): string {
  const quantisation = quantisationIn(ref);
  return quantisation === undefined ? name : `${name}:${quantisation}`;
}
