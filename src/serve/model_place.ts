import { cachePaths } from "../cache/cache_paths.ts";
import { remedyInWords } from "../cache/judge/remedy_in_words.ts";
import { lookLocal, resolveModel } from "../cache/resolve_model.ts";
import type { ModelPlace } from "../cache/types.ts";
import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { quantisationIn, revisionIn } from "../sources/model_ref.ts";
import type { NamedModel } from "./named_model.ts";

/** Looks the chosen model up in the caches. */
export async function resolveServing(
  config: Config,
  { model: { ref, name } }: { readonly model: NamedModel },
): Promise<ModelPlace> {
  const revision = revisionIn(ref) ?? undefined;
  const quantisation = quantisationIn(ref);
  const place = ref.kind === "path"
    ? await resolvePath(ref.path, name)
    : await resolveModel({ paths: cachePaths(config), name, revision, quantisation });
  for (const { layout, path, state, reason } of place.looked) {
    log.debug(`place ${path}`, { layout, state, reason });
  }
  return place;
}

/** A path is served as it is; its faults are only warnings. Its links may point anywhere. */
async function resolvePath(path: string, name: string): Promise<ModelPlace> {
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

/** The path that an engine is given: a directory, or a GGUF file. */
export function fileOf({ path, gguf }: Extract<ModelPlace, { kind: "path" }>): string {
  return gguf === undefined ? path : `${path}/${gguf}`;
}

/** Text about why a model is missing: every place, and what is missing there. */
export function missingInWords(place: ModelPlace): string {
  return place.looked.map(({ path, reason }) => `${path}: ${reason}`).join("; ");
}

/**
 * What fixes the first place with a part of the model; `null` if there is none. @param name `org/model`.
 */
export function remedyFor(place: ModelPlace, name: string): string | null {
  const remedy = place.looked.find((one) => one.remedy !== undefined)?.remedy;
  return remedy === undefined ? null : remedyInWords(remedy, name);
}
