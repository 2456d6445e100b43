import { cachePaths } from "../cache/cache_paths.ts";
import { lookLocal, resolveModel } from "../cache/resolve_model.ts";
import type { Resolution } from "../cache/types.ts";
import type { Config } from "../config/config.ts";
import { buildCommand } from "../engine/command.ts";
import { mergeEngineArgs, servedModelNames } from "../engine/engine_args.ts";
import { parseEngineArgsJson } from "../engine/parse_engine_args_json.ts";
import { parseEngineWords } from "../engine/parse_engine_words.ts";
import { AimError } from "../errors/aim_error.ts";
import { chooseDevices } from "../gpu/choose_devices.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { log } from "../log/logger.ts";
import type { JudgedProfile, Profile } from "../profiles/types.ts";
import type { ConfigMap } from "../values/value.ts";
import { modelToLoad, type NamedModel } from "./named_model.ts";
import { selectProfileFor } from "./select_profile_for.ts";

/** What will be served, worked out from configuration and hardware alone. */
export interface ServingChoice {
  readonly profile: Profile;
  /** True where no GPU is known and the profile is only what might be meant. */
  readonly guessed: boolean;
  /** All profiles that could have been chosen, best first. */
  readonly judged: readonly JudgedProfile[];
  readonly model: NamedModel;
  /** The user's engine arguments; `null` without any. */
  readonly userArgs: ConfigMap | null;
  /** GPUs to leave to the engine, as `HIP_VISIBLE_DEVICES` takes them; `null`: all. */
  readonly hipVisibleDevices: string | null;
}

/** A choice with the place that its model lies in. */
export interface ServingPlan extends ServingChoice {
  readonly resolution: Resolution;
  /** Engine's command line; the first word is the interpreter. */
  readonly argv: readonly string[];
  /** What is exported over the caller's environment: the profile's, then the chosen devices, then what the model's place needs. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Chooses profile, model and devices, and checks the engine's arguments.
 *
 * @param need `show`: without a GPU, a guess will do.
 * @param engineWords What follows `--` on the command line: overrides `AIM_ENGINE_ARGS`.
 * @throws {AimError} `usage`, `no-profile`.
 */
export async function chooseServing(
  config: Config,
  gpus: GpuInventory,
  need: "serve" | "show" = "serve",
  engineWords: readonly string[] = [],
): Promise<ServingChoice> {
  const { profile, wanted, guessed, judged } = await selectProfileFor(config, gpus, need);
  const model = modelToLoad(config, wanted, profile.modelId);
  const devices = chooseDevices(gpus, profile.metadata.acceleratorCount);
  for (const warning of devices.warnings) log.warn(warning);
  const userArgs = userArgsOf(config, engineWords);
  const choice = { profile, guessed, judged, model, userArgs, hipVisibleDevices: devices.hipVisibleDevices };
  // The profile's own were checked when it was read.
  if (userArgs !== null) {
    const { validateEngineArgs } = await import("../engine/validate_engine_args.ts");
    validateEngineArgs(mergedArgs(config, choice, []), { userArgs });
  }
  return choice;
}

function userArgsOf({ engineArgs }: Config, engineWords: readonly string[]): ConfigMap | null {
  const fromSetting = engineArgs === null ? null : parseEngineArgsJson(engineArgs);
  if (engineWords.length === 0) return fromSetting;
  return new Map([...fromSetting ?? [], ...parseEngineWords(engineWords)]);
}

/** Looks the chosen model up in the caches. */
export async function resolveServing(
  config: Config,
  { model }: Pick<ServingChoice, "model">,
): Promise<Resolution> {
  if (model.ref.kind === "path") return await resolvePath(model.ref.path, model.name);
  const revision = model.ref.kind === "hub" ? model.ref.revision : null;
  return await resolveModel({
    paths: cachePaths(config),
    name: model.name,
    ...(revision === null ? {} : { revision }),
  });
}

/**
 * The command line and environment that follow from a choice and the model's place. Where the model is missing they are what they
 * will be once it is downloaded: the hub's into the Hugging Face cache, S3's into the local directory.
 */
export function planServing(
  config: Config,
  choice: ServingChoice,
  resolution: Resolution,
  interpreter: string,
): ServingPlan {
  const { model, profile } = choice;
  const place = placeOf(config, model, resolution);
  const spellings = [model.name, model.uri, place.model];
  const args = new Map(mergedArgs(config, choice, spellings));
  const revision = model.ref.kind === "hub" ? model.ref.revision : null;
  // A local directory is one revision; the hub's cache has several.
  if (revision !== null && place.model === model.name) args.set("revision", revision);
  const env = {
    ...Object.fromEntries(profile.envVars),
    ...(choice.hipVisibleDevices === null ? {} : { HIP_VISIBLE_DEVICES: choice.hipVisibleDevices }),
    ...place.env,
  };
  return { ...choice, resolution, argv: buildCommand({ interpreter, model: place.model, args }), env };
}

function mergedArgs(config: Config, choice: ServingChoice, models: readonly string[]): ConfigMap {
  return mergeEngineArgs(choice.profile.engineArgs, choice.userArgs, {
    port: config.port,
    servedModelNames: servedModelNames({ modelId: choice.model.name, aimId: config.aimId }),
    models: [choice.model.name, choice.model.uri, ...models],
  });
}

function placeOf(
  config: Config,
  model: NamedModel,
  resolution: Resolution,
): { model: string; env: Readonly<Record<string, string>> } {
  switch (resolution.kind) {
    case "path":
      return { model: resolution.path, env: {} };
    case "hub":
      return { model: resolution.id, env: resolution.env };
    case "missing":
      return model.ref.kind === "hub"
        // The engine would have to download it: offline would stop it.
        ? { model: model.name, env: hubEnv(config) }
        : { model: `${cachePaths(config).root}/${model.name}`, env: {} };
  }
}

/** How the engine finds the Hugging Face cache. */
function hubEnv(config: Config): Record<string, string> {
  const { hub, hfHome } = cachePaths(config);
  return { HF_HOME: hfHome, ...(hub === `${hfHome}/hub` ? {} : { HF_HUB_CACHE: hub }) };
}

/** A path is served as it is: what speaks against it is a warning. Its links may lead anywhere. */
async function resolvePath(path: string, name: string): Promise<Resolution> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (cause) {
    throw new AimError("not-found", `AIM_MODEL_ID is ${path}, and there is no such file or directory`, {
      hint: "check the path and that its volume is mounted",
      cause,
    });
  }
  const judged = info.isDirectory ? await lookLocal(path, undefined, ["/"]) : null;
  const isWhole = judged === null || judged.state === "complete";
  if (!isWhole) log.warn(`${path} is served as it is, but ${judged.reason}`);
  const reason = isWhole ? "a path is served as it is" : `a path is served as it is, but ${judged.reason}`;
  return { kind: "path", path, name, looked: [{ layout: "path", path, state: "complete", reason }] };
}
