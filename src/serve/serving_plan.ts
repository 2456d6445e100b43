import { type AdapterPlan, planAdapters } from "../adapters/plan_adapters.ts";
import { hubEnvironment } from "../cache/cache_paths.ts";
import type { ModelPlace } from "../cache/types.ts";
import type { Config } from "../config/config.ts";
import { type ArgumentSource, buildCommand, mergeEngineArgs } from "../engine/engine_args.ts";
import { fitToVllm, type OptionFault } from "../engine/fit_to_vllm.ts";
import { hideSecrets, type Shown } from "../engine/hide_secrets.ts";
import { parallelSize } from "../engine/parallel_size.ts";
import { parseEngineWords } from "../engine/parse_engine_words.ts";
import type { ServingEngine } from "../engine/serving_engine.ts";
import { AimError } from "../errors/aim_error.ts";
import { visibleDevices } from "../gpu/visible_devices.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { log } from "../log/logger.ts";
import { keepSecret } from "../log/redact.ts";
import { engineArgsOf, envVarsOf } from "../profiles/profile_content.ts";
import type { Profile } from "../profiles/types.ts";
import type { NamedModel } from "../sources/local_name.ts";
import { revisionIn } from "../sources/model_ref.ts";
import type { ConfigMap } from "../values/value.ts";
import { type ProfileChoice, selectProfileFor } from "./select_profile_for.ts";
import { fileOf } from "./served_model.ts";

/** What a choice depends on. */
export interface ServingInput {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly gpus: GpuInventory;
  /** The words after `--`, which override `AIM_ENGINE_ARGS`. @default {none} */
  readonly engineWords?: readonly string[];
}

/** What will be served, before the place of its model is known. */
export interface ServingChoice extends ProfileChoice {
  readonly engine: ServingEngine;
  /** Merged, and fitted to the engine's version. */
  readonly args: ConfigMap;
  /** Variables added to the caller's environment: the profile's, fitted, and the chosen devices. */
  readonly env: Readonly<Record<string, string>>;
  /** True if a watcher loads LoRA adapters while the engine runs. */
  readonly watchesAdapters: boolean;
}

/** A choice with the place of its model, and what that adds to the environment. */
export interface ServingPlan extends ServingChoice {
  readonly place: ModelPlace;
  /** The engine's command line; the first word is its program. */
  readonly argv: readonly string[];
  /** Profile, command line and variables with references instead of secrets. */
  readonly shown: Pick<Shown, "env" | "references"> & {
    readonly profile: Profile;
    readonly argv: readonly string[];
  };
}

/**
 * Chooses profile, model and devices, and fits the engine's arguments to its version.
 *
 * @param need `show`: without a GPU, guess.
 * @throws {AimError} `usage`, `no-profile`.
 */
export async function chooseServing(
  input: ServingInput,
  engine: ServingEngine,
  need: "serve" | "show",
): Promise<ServingChoice> {
  const { config, env, gpus } = input;
  const choice = await selectProfileFor(config, gpus, need);
  const { id, metadata } = choice.profile;
  const adapters = await planAdapters(id, metadata.features, config);
  const { args, env: own, warnings } = engineArguments(input, engine, choice, adapters);
  const needed = gpuCount(args, gpus) ?? metadata.acceleratorCount;
  const visible = visibleDevices(gpus, needed, { ...env, ...own });
  for (const warning of [...warnings, ...visible.warnings]) log.warn(warning);
  return { ...choice, engine, args, env: { ...own, ...visible.env }, watchesAdapters: adapters.watch };
}

/** @throws {AimError} `usage` if the engine would refuse its arguments. */
function engineArguments(
  { config, env, engineWords = [] }: ServingInput,
  engine: ServingEngine,
  { profile, model, profileSet }: ProfileChoice,
  adapters: AdapterPlan,
): { args: ConfigMap; env: Record<string, string>; warnings: readonly string[] } {
  const envVars = envVarsOf(profile);
  const sources: ArgumentSource[] = [
    { kind: "profile", name: `profile ${profile.id}`, args: engineArgsOf(profile) },
    { kind: "user", name: "AIM_ENGINE_ARGS", args: config.engineArgs ?? new Map() },
    { kind: "user", name: "the command line after --", args: parseEngineWords(engineWords) },
    { kind: "profile", name: "the LoRA adapters", args: adapters.args },
  ];
  for (const { args } of sources) {
    hideSecrets(args, Object.fromEntries(envVars)).secrets.forEach(keepSecret);
  }
  const system = {
    port: config.port,
    servedModelNames: engine.isVllm ? [model.name, profileSet ?? model.name] : [],
    models: [model.name, model.uri],
  };
  const { args, variables, warnings, faults } = engine.package === "vllm"
    ? fitToVllm(sources, system, envVars, engine.version)
    : { ...mergeEngineArgs(sources, system), variables: envVars, faults: [] };
  if (faults.length > 0) throw refused(faults, profile);
  const level = engine.isVllm ? logLevel(config, env) : {};
  return { args, env: { ...level, ...Object.fromEntries(variables), ...adapters.env }, warnings };
}

/**
 * `AIM_LOG_LEVEL_ROOT` sets vLLM's level too, as in AMD's runtime; if it is unset, the caller's own is kept.
 */
function logLevel(config: Config, env: ServingInput["env"]): Record<string, string> {
  return config.origins.logLevelRoot === "default" && env.VLLM_LOGGING_LEVEL
    ? {}
    : { VLLM_LOGGING_LEVEL: config.logLevelRoot };
}

function refused(faults: readonly OptionFault[], profile: Profile): AimError {
  const byUser = faults.flatMap(({ given }) => given?.source.kind === "user" ? [given.source.name] : []);
  return new AimError("usage", `engine argument ${faults.map(({ reason }) => reason).join("; ")}`, {
    hint: byUser.length > 0
      ? `correct ${[...new Set(byUser)].join(" and ")}`
      : `correct ${profile.path}, or override it in AIM_ENGINE_ARGS`,
  });
}

/**
 * How many GPUs the engine's arguments require; `null` if they do not say.
 *
 * @throws {AimError} `usage` if this container has fewer.
 */
function gpuCount(args: ConfigMap, gpus: GpuInventory): number | null {
  const parallel = parallelSize(args);
  const visible = gpus.gpus.filter((gpu) => gpu.visible).length;
  if (parallel === null || visible === 0 || parallel.gpus <= visible) return parallel?.gpus ?? null;
  throw new AimError(
    "usage",
    `the engine would need ${parallel.gpus} GPUs (${parallel.sizes}), but this container has ${visible}`,
    { hint: "lower the sizes in AIM_ENGINE_ARGS, or give the container more GPUs (see aim gpus)" },
  );
}

/** The plan for a choice and its model's place. For a missing model, as it will be after the download. */
export function planServing(config: Config, choice: ServingChoice, place: ModelPlace): ServingPlan {
  const { engine, model, profile } = choice;
  const given = modelForEngine(config, model, place);
  const args = new Map(choice.args);
  const revision = revisionIn(model.ref);
  // A local directory is one revision; the hub's cache has several.
  if (revision !== null && given.model === model.name) args.set("revision", revision);
  const env = { ...choice.env, ...given.env };
  const hidden = hideSecrets(args, env);
  const shown = {
    profile: { ...profile, content: hideSecrets(profile.content, {}).args },
    argv: buildCommand(engine, given.model, hidden.args),
    env: hidden.env,
    references: hidden.references,
  };
  return { ...choice, place, argv: buildCommand(engine, given.model, args), env, shown };
}

function modelForEngine(
  config: Config,
  { ref, name }: NamedModel,
  place: ModelPlace,
): { model: string; env: Readonly<Record<string, string>> } {
  if (place.kind === "path") return { model: fileOf(place), env: {} };
  if (place.kind === "hub") return { model: name, env: place.env };
  if (ref.kind !== "hub") return { model: `${config.cachePath}/${name}`, env: {} };
  // Not offline, since the engine would have to download it.
  const model = ref.quantisation === undefined ? name : `${name}:${ref.quantisation}`;
  return { model, env: hubEnvironment(config) };
}
