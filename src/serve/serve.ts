import { cachePaths, hubPlacement, localPlacement, type Resolution } from "../cache/mod.ts";
import type { Config } from "../config/mod.ts";
import { bring, type DownloadReport } from "../download/mod.ts";
import { findEngine, replaceProcess } from "../engine/mod.ts";
import { AimError } from "../errors/mod.ts";
import type { GpuInventory } from "../gpu/mod.ts";
import { log } from "../log/mod.ts";
import type { TransferEvent } from "../transfer/types.ts";
import {
  chooseServing,
  planServing,
  resolveServing,
  type ServingChoice,
  type ServingPlan,
} from "./serving_plan.ts";

/** What serving needs. */
export interface ServeOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly gpus: GpuInventory;
  readonly signal: AbortSignal;
  /** Opened when a download starts. */
  readonly openProgress: () => ServeProgress;
}

/** Where a download's progress goes. */
export interface ServeProgress {
  onEvent(event: TransferEvent): void;
  finish(report: DownloadReport): void;
  close(): void;
}

/**
 * Selects, resolves, downloads what is missing, and becomes the engine. Returns only where the process could not be
 * replaced and the engine ran as a child: then its exit code.
 *
 * @throws {AimError} `engine` before anything is downloaded, where there is no engine; `no-profile`; `not-found` when offline
 *   and the model is not in the cache; what a download throws.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { config, env, gpus } = options;
  const engine = findEngine(env);
  const choice = await chooseServing(config, gpus);
  log.info(`profile ${choice.profile.id}`, { path: choice.profile.path, model: choice.model.uri });
  let resolution = await resolveServing(config, choice);
  if (resolution.kind === "missing") {
    await download(options, choice, resolution);
    resolution = await resolveServing(config, choice);
    if (resolution.kind === "missing") throw notServable(choice, resolution);
  }
  // Serving what is on disk needs neither network nor writing.
  for (const name of ["net", "write"] as const) Deno.permissions.revokeSync({ name });
  const plan = planServing(config, choice, resolution, engine.name);
  logChangedEnvironment(env, plan);
  log.info(`serving ${choice.model.name} on port ${config.port}`, { from: placeInWords(resolution) });
  log.debug("engine command", { argv: plan.argv, env: plan.env });
  return await replaceProcess({ path: engine.path, argv: plan.argv, env: { ...env, ...plan.env } });
}

/** Why a model cannot be served without a download: every place looked at, and what is missing there. */
export function missingInWords(resolution: Resolution): string {
  return resolution.looked.map((place) => `${place.path}: ${place.reason}`).join("; ");
}

async function download(options: ServeOptions, choice: ServingChoice, resolution: Resolution): Promise<void> {
  const { config, env, signal } = options;
  const { model } = choice;
  if (config.offline) {
    throw new AimError(
      "not-found",
      `${model.uri} is not in the cache, and HF_HUB_OFFLINE is on (${missingInWords(resolution)})`,
      {
        hint: "bring it there with aim download-to-cache on a connected host, or unset HF_HUB_OFFLINE",
      },
    );
  }
  log.info(`${model.uri} is not in the cache, downloading it`, { looked: missingInWords(resolution) });
  const paths = cachePaths(config);
  const revision = model.ref.kind === "hub" ? model.ref.revision ?? undefined : undefined;
  const placement = model.ref.kind === "hub"
    ? hubPlacement({ paths, name: model.name, ...(revision === undefined ? {} : { revision }) })
    : localPlacement({ paths, name: model.name });
  const progress = options.openProgress();
  try {
    const report = await bring(config, env, model.ref, placement, {
      revision,
      include: [],
      exclude: [],
      force: false,
      signal,
      transfer: {
        jobs: config.jobs,
        partSize: config.partSize,
        maxBandwidth: config.maxBandwidth,
        stallTimeout: config.stallTimeout,
        verify: true,
      },
      onEvent: progress.onEvent,
    });
    progress.finish(report);
  } finally {
    progress.close();
  }
}

function notServable(choice: ServingChoice, resolution: Resolution): AimError {
  return new AimError(
    "not-found",
    `${choice.model.uri} is downloaded, but it is not a whole model: ${missingInWords(resolution)}`,
    {
      hint: "check what the source holds",
    },
  );
}

function logChangedEnvironment(env: ServeOptions["env"], plan: ServingPlan): void {
  for (const [name, value] of Object.entries(plan.env)) {
    const before = env[name];
    if (before !== undefined && before !== value) {
      log.warn(`${name} is "${before}", the engine gets "${value}"`);
    }
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
