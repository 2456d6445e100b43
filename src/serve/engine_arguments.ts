import type { AdapterPlan } from "../adapters/plan_adapters.ts";
import type { Config } from "../config/config.ts";
import { type ArgumentSource, mergeEngineArgs, servedModelNames } from "../engine/engine_args.ts";
import { fitToVllm } from "../engine/fit_to_vllm.ts";
import { hideSecrets } from "../engine/hide_secrets.ts";
import { type ParallelSize, parallelSize } from "../engine/parallel_size.ts";
import { parseEngineArgsJson, parseEngineWords } from "../engine/parse_engine_args.ts";
import { AimError } from "../errors/aim_error.ts";
import { keepSecret } from "../log/redact.ts";
import type { Profile } from "../profiles/types.ts";
import type { ConfigMap } from "../values/value.ts";
import type { NamedModel, WantedModel } from "./named_model.ts";
import type { ServingEngine } from "./serving_engine.ts";

/** Arguments and variables for the engine. */
export interface EngineArguments {
  readonly args: ConfigMap;
  readonly env: Readonly<Record<string, string>>;
  readonly parallel: ParallelSize | null;
  /** One line each. */
  readonly warnings: readonly string[];
}

/**
 * Merges the profile's arguments, the user's and aim's own, once, and fits them and the profile's variables
 * to the engine's version.
 *
 * @throws {AimError} `usage` if the engine would refuse them.
 */
export function engineArguments(given: {
  readonly config: Config;
  readonly engine: ServingEngine;
  readonly profile: Profile;
  readonly model: NamedModel;
  readonly wanted: WantedModel;
  readonly engineWords: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly adapters: AdapterPlan;
}): EngineArguments {
  const { config, engine, profile, model, engineWords, adapters } = given;
  const { engineArgs } = config;
  const sources: ArgumentSource[] = [
    { kind: "profile", name: `profile ${profile.id}`, args: profile.engineArgs },
    ...(engineArgs === null
      ? []
      : [{ kind: "user" as const, name: "AIM_ENGINE_ARGS", args: parseEngineArgsJson(engineArgs) }]),
    ...(engineWords.length === 0
      ? []
      : [{ kind: "user" as const, name: "the command line after --", args: parseEngineWords(engineWords) }]),
    ...(adapters.args.size === 0
      ? []
      : [{ kind: "profile" as const, name: "the LoRA adapters", args: adapters.args }]),
  ];
  for (const { args } of sources) {
    hideSecrets(args, Object.fromEntries(profile.envVars)).secrets.forEach(keepSecret);
  }
  const system = {
    port: config.port,
    servedModelNames: engine.servedNames
      ? servedModelNames({ modelId: model.name, askedFor: nameAskedFor(given.wanted, config) })
      : [],
    models: [model.name, model.uri],
  };
  const level = engine.package?.startsWith("vllm") === true ? logLevel(config, given.env) : {};
  if (engine.package !== "vllm") {
    const { args, warnings } = mergeEngineArgs(sources, system);
    const env = { ...level, ...Object.fromEntries(profile.envVars), ...adapters.env };
    return { args, env, parallel: parallelSize(args), warnings };
  }
  const fitted = fitToVllm(sources, system, profile.envVars, engine.version);
  if (fitted.faults.length > 0) throw refused(fitted.faults, sources, profile.path);
  return {
    args: fitted.args,
    env: { ...level, ...Object.fromEntries(fitted.variables), ...adapters.env },
    parallel: parallelSize(fitted.args),
    warnings: fitted.warnings,
  };
}

/** `AIM_LOG_LEVEL_ROOT` is vLLM's level too, as in AMD's runtime; if it is unset, the caller's own is used. */
function logLevel(config: Config, env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return config.origins.logLevelRoot === "default" && env.VLLM_LOGGING_LEVEL
    ? {}
    : { VLLM_LOGGING_LEVEL: config.logLevelRoot };
}

/** The user's name of the model: `AIM_ID`, or the id in `AIM_MODEL_ID`. */
function nameAskedFor({ ref }: WantedModel, { aimId }: Config): string | null {
  return ref?.kind === "hub" ? ref.id : aimId;
}

function refused(
  faults: readonly { readonly name: string; readonly reason: string }[],
  sources: readonly ArgumentSource[],
  profilePath: string,
): AimError {
  const byUser = sources.filter(({ kind, args }) =>
    kind === "user" &&
    faults.some(({ name }) => [...args.keys()].some((key) => key.replaceAll("_", "-") === name))
  );
  return new AimError("usage", `engine argument ${faults.map(({ reason }) => reason).join("; ")}`, {
    hint: byUser.length > 0
      ? `correct ${byUser.map(({ name }) => name).join(" and ")}`
      : `correct ${profilePath}, or override it in AIM_ENGINE_ARGS`,
  });
}
