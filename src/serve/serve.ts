import { startWatcher } from "../adapters/start_watcher.ts";
import { markUsed } from "../cache/last_used.ts";
import { pathOfPlace } from "../cache/resolve_model.ts";
import { compileCaches } from "../engine/compile_caches.ts";
import { copyAiterKernels } from "../engine/copy_aiter_kernels.ts";
import { withReadAhead } from "../engine/fit_to_vllm.ts";
import { networkFileSystem } from "../engine/network_file_system.ts";
import { replaceProcess } from "../engine/exec.ts";
import { servingEngine } from "../engine/serving_engine.ts";
import { log } from "../log/logger.ts";
import { endStep } from "../log/start_steps.ts";
import { revokePermissions } from "../os/revoke_permissions.ts";
import type { ServeOptions } from "./download_missing.ts";
import { chooseServing, planServing } from "./serving_plan.ts";
import { resolveServing, wantedModel } from "./served_model.ts";
import { checkFiles } from "./memory_fit.ts";
import { startTimings } from "./timings.ts";

/**
 * Selects, resolves, downloads what is missing, and becomes the engine.
 *
 * @returns The engine's exit code, if the process could not be replaced and the engine ran as a child.
 * @throws {AimError} `engine` if no engine is installed, before any download; `no-profile`; `not-found` if
 *   offline and the model is not in the cache; any error of a download.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { config, env, gpus } = options;
  // Report a missing name before a missing engine: people try `aim` alone first.
  wantedModel(config);
  const engine = await servingEngine(config, env, "serve");
  endStep("engine");
  const choice = await chooseServing(options, engine, "serve");
  log.info(`profile ${choice.profile.id}`, { path: choice.profile.path, model: choice.model.uri });
  endStep("profile");
  let place = await resolveServing(config, choice.model);
  const downloaded = place.kind === "missing";
  endStep("resolve");
  if (place.kind === "missing") {
    // The download's modules take longer to load than all others.
    const { downloadMissing } = await import("./download_missing.ts");
    place = await downloadMissing(options, choice, place);
    endStep("download");
  }
  await markUsed(pathOfPlace(place));
  const path = engine.path ?? "";
  if (engine.isVllm && gpus.model !== null) await copyAiterKernels(gpus.model, path, env);
  await checkFiles(options, choice.args, place);
  const { acceleratorModel } = choice.profile.metadata;
  const isFitted = engine.package === "vllm";
  const compiled = isFitted
    ? await compileCaches(config.cachePath, acceleratorModel, engine.version, { ...env, ...choice.env })
    : {};
  const fileSystem = networkFileSystem(pathOfPlace(place));
  if (fileSystem !== null) log.info(`the model is on a network file system (${fileSystem})`);
  // Serving from disk needs neither network nor write access.
  revokePermissions({ write: false, net: false, run: true, ffi: true });
  const ahead = fileSystem !== null && isFitted;
  const args = ahead ? withReadAhead(choice.args, engine.version) : choice.args;
  const plan = planServing(config, { ...choice, args }, place);
  // Only the names, since the values may be secrets.
  const changed = Object.keys(plan.env).filter((name) => (env[name] ?? plan.env[name]) !== plan.env[name]);
  if (changed.length > 0) log.warn(`the engine's values of ${changed.join(", ")} differ from this process's`);
  log.info(`serving ${choice.model.name} on port ${config.port}`, { from: pathOfPlace(place) });
  log.debug("engine command", { argv: plan.shown.argv, env: plan.shown.env });
  // Watched signals do not end this process: act on one that has arrived.
  if (config.acceleratorModel === null || downloaded) options.signal.throwIfAborted();
  const engineEnv = { ...env, ...compiled, ...plan.env };
  if (choice.watchesAdapters) startWatcher(config.port, plan.args, engineEnv);
  endStep("prepare");
  if (config.logLevel === "DEBUG") log.debug("timings in milliseconds", startTimings());
  options.onTimings?.(startTimings());
  return await replaceProcess(path, plan.argv, engineEnv);
}
