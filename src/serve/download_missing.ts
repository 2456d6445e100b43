import { remedyInWords } from "../cache/judge/remedy_in_words.ts";
import { nearestInCache } from "../cache/list_models.ts";
import type { ModelPlace } from "../cache/types.ts";
import type { DownloadReport } from "../download/download_report.ts";
import { downloadInto, placementOf } from "../download/download_into.ts";
import { signatureTrust } from "../download/check_signature.ts";
import { operatorGlobs } from "../download/operator_globs.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import type { NamedModel } from "../sources/local_name.ts";
import { revisionIn } from "../sources/model_ref.ts";
import type { TransferEvent } from "../transfer/types.ts";
import { filesListed, warnOfMemory } from "./memory_fit.ts";
import { missingInWords, resolveServing } from "./served_model.ts";
import type { ServingChoice, ServingInput } from "./serving_plan.ts";

/** What the command passes to serving. */
export interface ServeOptions extends ServingInput {
  /** Read only when something is downloaded or detected, since reading it starts watching signals. */
  readonly signal: AbortSignal;
  /** Opens the progress display when a download starts. */
  readonly openProgress: () => Disposable & {
    onEvent(event: TransferEvent): void;
    finish(report: DownloadReport): void;
  };
  /** Called with the milliseconds of each step, right before the engine starts. */
  readonly onTimings?: (steps: Readonly<Record<string, number>>) => void;
}

/**
 * Downloads a missing model: from the hub into the Hugging Face cache, others into the local directory.
 *
 * @returns Its place after the download.
 * @throws {AimError} `not-found` if offline, or if the result is incomplete; any error of a download.
 */
export async function downloadMissing(
  options: ServeOptions,
  choice: ServingChoice,
  place: ModelPlace,
): Promise<Exclude<ModelPlace, { kind: "missing" }>> {
  const { config, env, signal } = options;
  const { model } = choice;
  if (config.offline) {
    const near = await nearestInCache(config, model.name);
    const hint = near === null
      ? "download it with aim download-to-cache on a connected host and copy the cache here, or unset HF_HUB_OFFLINE"
      : `the cache has ${near}: did you mean that?`;
    throw missing(model, "is not in the cache, and HF_HUB_OFFLINE is on", place, hint);
  }
  log.info(`${model.uri} is not in the cache, downloading it`, { looked: missingInWords(place) });
  const { ref } = model;
  const revision = revisionIn(ref) ?? undefined;
  const placement = placementOf(config, ref.kind === "hub" ? "hub" : "local", model, revision);
  using progress = options.openProgress();
  const report = await downloadInto(config, env, ref, placement, {
    revision,
    ...operatorGlobs(env),
    files: config.downloadFiles ?? "serving",
    refuseUnsafe: config.refuseUnsafe,
    signature: signatureTrust(config),
    force: false,
    signal,
    onEvent: progress.onEvent,
    onListed: (manifest) => warnOfMemory(options.gpus, choice.args, filesListed(manifest)),
  });
  progress.finish(report);
  const now = await resolveServing(config, model);
  if (now.kind !== "missing") return now;
  throw missing(model, "is downloaded, but is not a complete model", now, "check the files at the source");
}

/** @param hint What to do if nothing on disk can be repaired. */
function missing({ uri, name }: NamedModel, what: string, place: ModelPlace, hint: string): AimError {
  const remedy = place.looked.find((one) => one.remedy !== undefined)?.remedy;
  return new AimError("not-found", `${uri} ${what} (${missingInWords(place)})`, {
    hint: remedy === undefined ? hint : remedyInWords(remedy, name),
  });
}
