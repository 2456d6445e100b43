import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import type { GpuInventory } from "../gpu/types.ts";
import { log } from "../log/logger.ts";
import type { Criteria, JudgedProfile, Profile, ProfileFault } from "../profiles/types.ts";
import { withCpuThreads } from "../profiles/cpu_threads.ts";
import { criteriaOf } from "../profiles/criteria.ts";
import { judge } from "../profiles/judge.ts";
import { loadProfiles } from "../profiles/load_profiles.ts";
import { profilesForAnyGpu, type Selection, selectProfile } from "../profiles/select_profile.ts";
import { type ModelRef, uriOf } from "../sources/model_ref.ts";
import { modelToLoad, type NamedModel, profileSetOf, wantedModel } from "./served_model.ts";

/** Every profile of a model, judged. */
export interface JudgedSet {
  readonly wanted: ModelRef;
  readonly criteria: Criteria;
  /** Best first. */
  readonly judged: readonly JudgedProfile[];
  readonly faults: readonly ProfileFault[];
}

/**
 * Loads and judges the profiles that a configuration can choose from. Faulty files are warned about and left
 * out.
 *
 * @throws {AimError} `usage` if no model is named.
 */
export async function judgeProfilesFor(config: Config, gpus: GpuInventory): Promise<JudgedSet> {
  const wanted = wantedModel(config);
  const profileSet = profileSetOf(wanted);
  await warnOfMissingFolder(config);
  const { profiles, faults, notes } = await loadProfiles(config, profileSet);
  for (const fault of faults) {
    log.warn(`skipped profile ${fault.path}:${fault.line}:${fault.column}: ${fault.reason}`);
  }
  for (const [path, [note]] of Map.groupBy(notes, (one) => one.path)) {
    if (note !== undefined) log.warn(`profile ${path}:${note.line}:${note.column}: ${note.reason}`);
  }
  const { criteria, warnings } = criteriaOf(config, gpus, profileSet);
  for (const warning of warnings) log.warn(warning);
  return { wanted, criteria, judged: judge(profiles, criteria), faults };
}

/** Profiles on disk are optional, but a configured folder must exist. */
async function warnOfMissingFolder({ profilePath, origins }: Config): Promise<void> {
  if (origins.profilePath === "default") return;
  const name = origins.profilePath === "flag" ? "--profile-path" : "AIM_PROFILE_PATH";
  try {
    if ((await Deno.stat(profilePath)).isDirectory) return;
    log.warn(`${name} is ${profilePath}, which is not a directory: no profiles from there`);
  } catch {
    log.warn(`${name} is ${profilePath}, which cannot be read: no profiles from there`);
  }
}

/** The profile to serve or download with. */
export interface ProfileChoice {
  readonly profile: Profile;
  /** The model that it loads. */
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
 * @param need `serve` needs a GPU; a `download` without one takes the best-ranked profile and warns; so does
 * `show`, whose caller says that it is `guessed`.
 * @throws {AimError} `no-profile` if nothing fits, or if serving lacks a GPU.
 */
export async function selectProfileFor(
  config: Config,
  gpus: GpuInventory,
  need: "serve" | "download" | "show",
): Promise<ProfileChoice> {
  const { wanted, criteria, judged } = await judgeProfilesFor(config, gpus);
  const chosen = (profile: Profile, guessed: boolean): ProfileChoice => {
    const model = modelToLoad(config, wanted, profile.modelId);
    return { profile, model, profileSet: profileSetOf(wanted), guessed, judged };
  };
  if (criteria.accelerator === null && config.profileId === null) {
    if (need === "serve") throw noGpu(gpus);
    const candidates = profilesForAnyGpu(judged, config.acceleratorCount);
    const [best] = candidates;
    if (best !== undefined) {
      if (need === "download") log.warn(guessInWords(best, candidates));
      return chosen(best, true);
    }
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
      `AIM_ALLOW_UNOPTIMIZED: nothing else fits, so ${profile.id} is used, which is not tuned for this hardware`,
    );
  }
  if (passedOver !== null) {
    log.warn(
      `the general profile ${profile.id} is used; the model's own ${passedOver.profile.id} fits too, but is ` +
        `${passedOver.profile.metadata.type} and must be named: AIM_PROFILE_ID=${passedOver.profile.id}`,
    );
  }
}

/** The error if serving has no usable GPU. */
export function noGpu({ gpus, reasons }: GpuInventory): AimError {
  const groups = [...new Set(gpus.flatMap((gpu) => /--group-add \d+/.exec(gpu.hiddenBecause ?? "") ?? []))];
  const [first] = gpus;
  if (first !== undefined) {
    return new AimError(
      "no-profile",
      `no GPU can be used: ${gpus.length} x ${first.model} found, ${first.hiddenBecause ?? "hidden"}`,
      { hint: groups.length > 0 ? `run the container with ${groups.join(" ")}` : "see aim gpus for each" },
    );
  }
  return new AimError("no-profile", `no GPU is visible: ${reasons[0] ?? "nothing was found"}`, {
    hint:
      "give the container /dev/kfd and /dev/dri, or set AIM_GPU_MODEL or AIM_ACCELERATOR_TYPE=cpu (see aim gpus)",
  });
}

/** The profile that a download without a GPU takes, and what else could have been meant. */
export function guessInWords(profile: Profile, candidates: readonly Profile[]): string {
  const others = (valueOf: (profile: Profile) => string | null) =>
    [...new Set(candidates.map(valueOf))].filter((value) => value !== null && value !== valueOf(profile))
      .sort().join(", ");
  const gpus = others(({ metadata }) => metadata.acceleratorModel);
  const models = others(({ modelId }) => modelId);
  return `no GPU is visible and none is named: using ${profile.id} for ${profile.metadata.acceleratorModel}` +
    (gpus === "" ? "" : ` (also ${gpus})`) +
    (models === "" ? "" : `; other GPUs or precisions would take ${models}`) +
    "; set AIM_GPU_MODEL (and AIM_PRECISION) to choose";
}

/**
 * The model that the selected profile loads, for a download. A model named by an S3 URI or a path needs no
 * profile.
 *
 * @throws {AimError} `usage`, `no-profile`.
 */
export async function profileModel(
  config: Config,
  gpus: GpuInventory,
): Promise<{ ref: ModelRef; profile: Profile | null }> {
  const wanted = wantedModel(config);
  if (wanted.kind !== "hub") return { ref: wanted, profile: null };
  const { profile, model: { ref } } = await selectProfileFor(config, gpus, "download");
  log.info(`profile ${profile.id} loads ${uriOf(ref)}`, { path: profile.path });
  return { ref, profile };
}

/**
 * Every model that a profile for this hardware can load, for a download, regardless of precision and metric.
 * Without hardware, the models of all profiles.
 *
 * @throws {AimError} `usage`, `no-profile`.
 */
export async function modelsOfProfiles(config: Config, gpus: GpuInventory): Promise<ModelRef[]> {
  const { wanted, judged } = await judgeProfilesFor(config, gpus);
  const models = new Map<string, ModelRef>();
  for (const { profile, mismatches } of judged) {
    if (mismatches.some(({ state }) => !["precision_mismatch", "metric_mismatch"].includes(state))) continue;
    const { ref } = modelToLoad(config, wanted, profile.modelId);
    models.set(uriOf(ref), ref);
  }
  if (models.size > 0) return [...models.values()];
  throw new AimError("no-profile", "no profile for this hardware loads a model", {
    hint: "see aim list-profiles",
  });
}
