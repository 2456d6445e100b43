import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { log } from "../log/logger.ts";
import type { Criteria, JudgedProfile, Profile, ProfileState } from "../profiles/types.ts";
import { withCpuThreads } from "../profiles/cpu_threads.ts";
import { criteriaOf } from "../profiles/criteria.ts";
import { judge } from "../profiles/judge.ts";
import { loadProfiles } from "../profiles/load_profiles.ts";
import { profilesForAnyGpu, type Selection, selectProfile } from "../profiles/select_profile.ts";
import { type NamedModel, namedModel } from "../sources/local_name.ts";
import type { ModelRef } from "../sources/model_ref.ts";
import { modelToLoad, profileSetOf, wantedModel } from "./served_model.ts";

/**
 * Loads and judges the profiles that a configuration can choose from; faulty files are skipped with a
 * warning.
 *
 * @returns The profiles, best first, the requested model, and the criteria.
 * @throws {AimError} `usage` if no model is named.
 */
export async function judgeProfilesFor(
  config: Config,
  gpus: GpuInventory,
): Promise<{ judged: readonly JudgedProfile[]; wanted: ModelRef; criteria: Criteria }> {
  const wanted = wantedModel(config);
  const profileSet = profileSetOf(wanted);
  await warnOfMissingFolder(config);
  const { profiles, faults, warnings: odd } = await loadProfiles(config, profileSet);
  for (const fault of faults) {
    log.warn(`skipped profile ${fault.path}:${fault.line}:${fault.column}: ${fault.reason}`);
  }
  for (const [path, [first]] of Map.groupBy(odd, (one) => one.path)) {
    if (first !== undefined) log.warn(`profile ${path}:${first.line}:${first.column}: ${first.reason}`);
  }
  const { criteria, warnings } = criteriaOf(config, gpus, profileSet);
  for (const warning of warnings) log.warn(warning);
  return { wanted, criteria, judged: judge(profiles, criteria) };
}

/** Profiles on disk are optional, but a configured folder should exist. */
async function warnOfMissingFolder({ profilePath, origins }: Config): Promise<void> {
  if (origins.profilePath === "default") return;
  const name = origins.profilePath === "flag" ? "--profile-path" : "AIM_PROFILE_PATH";
  const info = await Deno.stat(profilePath).catch(() => null);
  if (info?.isDirectory === true) return;
  const fault = info === null ? "cannot be read" : "is not a directory";
  log.warn(`${name} is ${profilePath}, which ${fault}: no profiles are loaded from it`);
}

export interface ProfileChoice {
  readonly profile: Profile;
  /** The model that the profile loads. */
  readonly model: NamedModel;
  /** The `org/model` that the user named; `null` for an S3 URI or a path. */
  readonly profileSet: string | null;
  /** No GPU is known, and the profile is only the best-ranked one. */
  readonly guessed: boolean;
  /** All profiles that could have been chosen, best first. */
  readonly judged: readonly JudgedProfile[];
}

/**
 * Selects the profile to serve or download with.
 *
 * @param need `serve` needs a GPU; without one, `show` guesses the best-ranked profile.
 * @throws {AimError} `no-profile` if nothing fits, or if serving lacks a GPU.
 */
export async function selectProfileFor(
  config: Config,
  gpus: GpuInventory,
  need: "serve" | "show",
): Promise<ProfileChoice> {
  const { wanted, criteria, judged } = await judgeProfilesFor(config, gpus);
  const chosen = (profile: Profile, guessed: boolean): ProfileChoice => {
    const model = modelToLoad(config, wanted, profile.modelId);
    return { profile, model, profileSet: profileSetOf(wanted), guessed, judged };
  };
  if (criteria.accelerator === null && config.profileId === null) {
    if (need === "serve") throw noGpu(gpus);
    const [best] = profilesForAnyGpu(judged, config.acceleratorCount);
    if (best !== undefined) return chosen(best, true);
  }
  const selection = selectProfile(judged, criteria, config);
  if (selection.kind === "none") throw selection.error;
  warnOfSelection(selection);
  const { profile, warning } = withCpuThreads(selection.judged.profile, gpus.cpu);
  if (warning !== null) log.warn(warning);
  return chosen(profile, false);
}

function warnOfSelection(
  { by, judged: { profile }, passedOver }: Extract<Selection, { kind: "selected" }>,
): void {
  if (by === "unoptimized") {
    log.warn(
      `AIM_ALLOW_UNOPTIMIZED is on and nothing else fits: using ${profile.id}, which is not tuned for this hardware`,
    );
  }
  if (passedOver !== null) {
    const { id, metadata: { type } } = passedOver.profile;
    log.warn(
      `using the general profile ${profile.id}; the model's own ${id} also fits, but is ${type} and must be ` +
        `named: AIM_PROFILE_ID=${id}`,
    );
  }
}

/** The error if serving has no usable GPU. */
export function noGpu({ gpus, reasons }: GpuInventory): AimError {
  const [first] = gpus;
  if (first === undefined) {
    return new AimError("no-profile", `no GPU is visible: ${reasons[0] ?? "nothing was found"}`, {
      hint:
        "give the container /dev/kfd and /dev/dri, or set AIM_GPU_MODEL or AIM_ACCELERATOR_TYPE=cpu (see aim gpus)",
    });
  }
  const why = first.hiddenBecause ?? "hidden";
  const groups = new Set(gpus.flatMap((gpu) => /--group-add \d+/.exec(gpu.hiddenBecause ?? "") ?? []));
  return new AimError("no-profile", `no GPU can be used: ${gpus.length} x ${first.model} found, ${why}`, {
    hint: groups.size > 0 ? `run the container with ${[...groups].join(" ")}` : "aim gpus shows why for each",
  });
}

/** Which profile a download without a GPU uses, and the alternatives. */
export function guessInWords(profile: Profile, candidates: readonly Profile[]): string {
  const others = (valueOf: (profile: Profile) => string | null) =>
    [...new Set(candidates.map(valueOf))].filter((value) => value !== null && value !== valueOf(profile))
      .sort().join(", ");
  const gpus = others(({ metadata }) => metadata.acceleratorModel);
  const models = others(({ modelId }) => modelId);
  return `no GPU is visible and none is named: using ${profile.id} for ${profile.metadata.acceleratorModel}` +
    (gpus === "" ? "" : ` (also ${gpus})`) +
    (models === "" ? "" : `; other GPUs or precisions would use ${models}`) +
    "; set AIM_GPU_MODEL (and AIM_PRECISION) to choose";
}

/**
 * The model that the selected profile loads, for a download. Only a hub model needs a profile.
 *
 * @throws {AimError} `usage`, `no-profile`.
 */
export async function profileModel(
  config: Config,
  gpus: GpuInventory,
): Promise<{ model: NamedModel; profile: Profile | null }> {
  const wanted = wantedModel(config);
  if (wanted.kind !== "hub") return { model: namedModel(wanted, config.modelName), profile: null };
  const { profile, model, guessed, judged } = await selectProfileFor(config, gpus, "show");
  if (guessed) log.warn(guessInWords(profile, profilesForAnyGpu(judged, config.acceleratorCount)));
  log.info(`profile ${profile.id} loads ${model.uri}`, { path: profile.path });
  return { model, profile };
}

/** States of profiles whose models this hardware can load. */
const LOADABLE: readonly ProfileState[] = ["compatible", "precision_mismatch", "metric_mismatch"];

/**
 * Every model that a profile for this hardware can load, regardless of precision and metric; without
 * hardware, the models of all profiles.
 *
 * @throws {AimError} `usage`, `no-profile`.
 */
export async function modelsOfProfiles(config: Config, gpus: GpuInventory): Promise<NamedModel[]> {
  const { wanted, judged } = await judgeProfilesFor(config, gpus);
  const models = new Map<string, NamedModel>();
  for (const { profile, mismatches } of judged) {
    if (!mismatches.every(({ state }) => LOADABLE.includes(state))) continue;
    const model = modelToLoad(config, wanted, profile.modelId);
    models.set(model.uri, model);
  }
  if (models.size > 0) return [...models.values()];
  throw new AimError("no-profile", "no profile for this hardware loads a model", {
    hint: "see aim list-profiles",
  });
}
