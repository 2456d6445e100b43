import type { AdapterPlan } from "../adapters/plan_adapters.ts";
import type { Config } from "../config/config.ts";
import { type ArgumentSource, mergeEngineArgs } from "../engine/engine_args.ts";
import { fitToVllm } from "../engine/fit_to_vllm.ts";
import { hideSecrets } from "../engine/hide_secrets.ts";
import { parseEngineArgsJson, parseEngineWords } from "../engine/parse_engine_args.ts";
import { AimError } from "../errors/aim_error.ts";
import { keepSecret } from "../log/redact.ts";
import type { ConfigMap } from "../values/value.ts";
import type { ProfileChoice } from "./select_profile_for.ts";
import type { ServingEngine } from "./serving_engine.ts";

/**
 * Merges the profile's arguments, the user's and aim's own, once, and fits them and the profile's variables
 * to the engine's version.
 *
 * @throws {AimError} `usage` if the engine would refuse them.
 */
export function engineArguments(given: {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly engine: ServingEngine;
  readonly engineWords: readonly string[];
  readonly adapters: AdapterPlan;
  readonly choice: ProfileChoice;
}): { args: ConfigMap; env: Record<string, string>; warnings: readonly string[] } {
  const { config, engine, engineWords, adapters, choice: { profile, model, profileSet } } = given;
  const sources: ArgumentSource[] = [
    { kind: "profile", name: `profile ${profile.id}`, args: profile.engineArgs },
    { kind: "user", name: "AIM_ENGINE_ARGS", args: parseEngineArgsJson(config.engineArgs ?? "{}") },
    { kind: "user", name: "the command line after --", args: parseEngineWords(engineWords) },
    { kind: "profile", name: "the LoRA adapters", args: adapters.args },
  ];
  for (const { args } of sources) {
    hideSecrets(args, Object.fromEntries(profile.envVars)).secrets.forEach(keepSecret);
  }
  const system = {
    port: config.port,
    servedModelNames: engine.servedNames ? [model.name, profileSet ?? model.name] : [],
    models: [model.name, model.uri],
  };
  const { args, variables, warnings, faults } = engine.package === "vllm"
    ? fitToVllm(sources, system, profile.envVars, engine.version)
    : { ...mergeEngineArgs(sources, system), variables: profile.envVars, faults: [] };
  if (faults.length > 0) throw refused(faults, sources, profile.path);
  const level = engine.package?.startsWith("vllm") === true ? logLevel(config, given.env) : {};
  return { args, env: { ...level, ...Object.fromEntries(variables), ...adapters.env }, warnings };
}

/** `AIM_LOG_LEVEL_ROOT` is vLLM's level too, as in AMD's runtime; if it is unset, the caller's own is used. */
function logLevel(config: Config, env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return config.origins.logLevelRoot === "default" && env.VLLM_LOGGING_LEVEL
    ? {}
    : { VLLM_LOGGING_LEVEL: config.logLevelRoot };
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
