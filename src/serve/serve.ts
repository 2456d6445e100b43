import { startWatcher } from "../adapters/start_watcher.ts";
import { markUsed } from "../cache/last_used.ts";
import { pathOfPlace } from "../cache/resolve_model.ts";
import type { ModelPlace } from "../cache/types.ts";
import { compileCaches } from "../engine/compile_caches.ts";
import { copyAiterKernels } from "../engine/copy_aiter_kernels.ts";
import { networkFileSystem } from "../engine/network_file_system.ts";
import { replaceProcess } from "../engine/exec.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { revokePermissions } from "../os/revoke_permissions.ts";
import type { DownloadOptions } from "./download_missing.ts";
import { servingEngine } from "./serving_engine.ts";
import { chooseServing, planServing, type ServingChoice, type ServingPlan } from "./serving_plan.ts";
import { missingInWords, remedyFor, resolveServing, wantedModel } from "./served_model.ts";
import { checkFiles } from "./memory_fit.ts";
import { startTimings } from "./timings.ts";

export interface ServeOptions extends DownloadOptions {
  /** The words after `--`. */
  readonly engineWords: readonly string[];
  /** Called with the milliseconds of each step, right before the engine starts. */
  readonly onTimings?: (steps: Readonly<Record<string, number>>) => void;
}

/**
 * Selects, resolves, downloads what is missing, and becomes the engine. Returns only if the process could
 * not be replaced and the engine ran as a child: then its exit code.
 *
 * @throws {AimError} `engine` before anything is downloaded if there is no engine; `no-profile`;
 *   `not-found` when offline and the model is not in the cache; what a download throws.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { config, env, gpus, engineWords } = options;
  const timings = startTimings();
  // A missing name counts before a missing engine: `aim` alone is what people try first.
  wantedModel(config);
  const engine = await servingEngine(config, env, "serve");
  timings.mark("engine");
  const choice = await chooseServing({ config, env, gpus, engine, need: "serve", engineWords });
  log.info(`profile ${choice.profile.id}`, { path: choice.profile.path, model: choice.model.uri });
  timings.mark("profile");
  let place = await resolveServing(config, choice);
  const downloaded = place.kind === "missing";
  timings.mark("resolve");
  if (place.kind === "missing") {
    // The download's modules take longer to load than all others.
    const { downloadMissing } = await import("./download_missing.ts");
    await downloadMissing(options, choice, place);
    place = await resolveServing(config, choice);
    if (place.kind === "missing") throw notServable(choice, place);
    timings.mark("download");
  }
  await markUsed(pathOfPlace(place));
  await copyKernels(options, choice);
  await checkFiles(options, choice.args, place);
  const compiled = await compiledCode(options, choice);
  const fileSystem = networkFileSystem(pathOfPlace(place));
  if (fileSystem !== null) log.info(`the model is on ${fileSystem}: the engine reads its weights ahead`);
  // Serving from disk needs neither network nor writing.
  revokePermissions({ write: false, net: false, run: true, ffi: true });
  const plan = planServing(config, choice, place, fileSystem !== null);
  logChangedEnvironment(env, plan);
  log.info(`serving ${choice.model.name} on port ${config.port}`, { from: pathOfPlace(place) });
  log.debug("engine command", { argv: plan.shown.argv, env: plan.shown.env });
  // While signals are watched, they do not end this process.
  if (config.acceleratorModel === null || downloaded) options.signal.throwIfAborted();
  const path = engine.program?.path ?? "";
  const engineEnv = { ...env, ...compiled, ...plan.env };
  if (choice.watchesAdapters) startWatcher(config.port, plan.args, engineEnv);
  timings.mark("prepare");
  if (config.logLevel === "DEBUG") log.debug("timings in milliseconds", timings.steps);
  options.onTimings?.(timings.steps);
  return await replaceProcess({ path, argv: plan.argv, env: engineEnv });
}

/** Kernels of the GPU that were compiled ahead, if the image has some. */
async function copyKernels({ env, gpus }: ServeOptions, { engine }: ServingChoice): Promise<void> {
  if (!engine.aiterKernels || gpus.model === null || engine.program === null) return;
  const { files, warning } = await copyAiterKernels(gpus.model, engine.program.path, env);
  if (warning !== null) log.warn(warning);
  if (files > 0) log.info(`copied ${files} prebuilt AITER kernels for ${gpus.model}`);
}

/** Directories for the engine's compiled code, which the next start uses. */
async function compiledCode(
  { config, env }: ServeOptions,
  { engine, profile, env: planned }: ServingChoice,
): Promise<Readonly<Record<string, string>>> {
  if (engine.package !== "vllm") return {};
  const key = {
    accelerator: profile.metadata.acceleratorModel,
    engineVersion: engine.version?.text ?? null,
    image: env.AIM_BASE_IMAGE_REF || env.AIM_UPSTREAM_IMAGE_REF || null,
  };
  return await compileCaches(config.cachePath, key, { ...env, ...planned });
}

function notServable(choice: ServingChoice, place: ModelPlace): AimError {
  return new AimError(
    "not-found",
    `${choice.model.uri} is downloaded, but it is not a complete model: ${missingInWords(place)}`,
    { hint: remedyFor(place, choice.model.name) ?? "check the files at the source" },
  );
}

/** Logs only names, since the caller's values may be secrets. */
function logChangedEnvironment(env: ServeOptions["env"], plan: ServingPlan): void {
  const changed = Object.entries(plan.env)
    .filter(([name, value]) => env[name] !== undefined && env[name] !== value).map(([name]) => name);
  if (changed.length > 0) {
    log.warn(`the profile overrides ${changed.join(", ")} of this environment`);
  }
}
