import { markUsed } from "../cache/last_used.ts";
import type { Resolution } from "../cache/types.ts";
import { copyAiterKernels } from "../engine/copy_aiter_kernels.ts";
import { replaceProcess } from "../engine/exec.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import type { ServeOptions } from "./serve_options.ts";
import { servingEngine } from "./serving_engine.ts";
import {
  chooseServing,
  planServing,
  resolveServing,
  type ServingChoice,
  type ServingPlan,
} from "./serving_plan.ts";
import { filesInCache, memoryFit } from "./memory_fit.ts";
import { missingInWords, remedyFor } from "./missing_in_words.ts";

/**
 * Selects, resolves, downloads what is missing, and becomes the engine. Returns only where the process could not be
 * replaced and the engine ran as a child: then its exit code.
 *
 * @throws {AimError} `engine` before anything is downloaded, where there is no engine; `no-profile`; `not-found` when offline
 *   and the model is not in the cache; what a download throws.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { config, env, gpus, engineWords } = options;
  const engine = await servingEngine(config, env, "serve");
  const choice = await chooseServing({ config, env, gpus, engine, need: "serve", engineWords });
  log.info(`profile ${choice.profile.id}`, { path: choice.profile.path, model: choice.model.uri });
  let resolution = await resolveServing(config, choice);
  const downloaded = resolution.kind === "missing";
  if (resolution.kind === "missing") {
    // What downloads takes longer to load than everything else here together.
    const { downloadMissing } = await import("./download_missing.ts");
    await downloadMissing(options, choice, resolution);
    resolution = await resolveServing(config, choice);
    if (resolution.kind === "missing") throw notServable(choice, resolution);
  }
  await markUsed(resolution.kind === "path" ? resolution.path : resolution.snapshot);
  await copyKernels(options, choice);
  await warnOfMemory(options, choice, resolution);
  // Serving what is on disk needs neither network nor writing.
  for (const name of ["net", "write"] as const) Deno.permissions.revokeSync({ name });
  const plan = planServing(config, choice, resolution);
  logChangedEnvironment(env, plan);
  log.info(`serving ${choice.model.name} on port ${config.port}`, { from: placeInWords(resolution) });
  log.debug("engine command", { argv: plan.shown.argv, env: plan.shown.env });
  // Where signals are watched, one that came meanwhile has not ended this process.
  if (config.acceleratorModel === null || downloaded) options.signal.throwIfAborted();
  const path = engine.program?.path ?? "";
  return await replaceProcess({ path, argv: plan.argv, env: { ...env, ...plan.env } });
}

/** Kernels of the GPU that were compiled ahead, where the image has some. */
async function copyKernels({ env, gpus }: ServeOptions, { engine }: ServingChoice): Promise<void> {
  if (!engine.aiterKernels || gpus.model === null || engine.program === null) return;
  const { files, warning } = await copyAiterKernels(gpus.model, engine.program.path, env);
  if (warning !== null) log.warn(warning);
  if (files > 0) log.info(`copied ${files} prebuilt AITER kernels for ${gpus.model}`);
}

/** Too little memory is said before the engine finds it out, minutes later. */
async function warnOfMemory(
  { gpus }: ServeOptions,
  { args }: ServingChoice,
  resolution: Resolution,
): Promise<void> {
  const files = await filesInCache(resolution);
  const fit = files === null ? null : memoryFit(gpus, args, files);
  if (fit !== null && fit.state !== "fits") log.warn(fit.summary);
}

function notServable(choice: ServingChoice, resolution: Resolution): AimError {
  return new AimError(
    "not-found",
    `${choice.model.uri} is downloaded, but it is not a whole model: ${missingInWords(resolution)}`,
    {
      hint: remedyFor(resolution, choice.model.name) ?? "check what the source holds",
    },
  );
}

/** Names only: a profile may set what is a secret of the caller's. */
function logChangedEnvironment(env: ServeOptions["env"], plan: ServingPlan): void {
  const changed = Object.entries(plan.env)
    .filter(([name, value]) => env[name] !== undefined && env[name] !== value).map(([name]) => name);
  if (changed.length > 0) {
    log.warn(
      `the engine gets another ${changed.join(", ")} than this process has: the profile's values count`,
    );
  }
}

function placeInWords(resolution: Resolution): string {
  switch (resolution.kind) {
    case "path":
      return resolution.path;
    case "hub":
      return resolution.snapshot;
    case "missing":
      return "nowhere";
  }
}
