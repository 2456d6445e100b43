import { nearestInCache } from "../../cache/list_models.ts";
import { remedyInWords } from "../../cache/judge/remedy_in_words.ts";
import type { ModelPlace } from "../../cache/types.ts";
import { EXIT_CODES } from "../../errors/exit_codes.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { namedModel } from "../../sources/local_name.ts";
import { parseModelRef } from "../../sources/model_ref.ts";
import { selectProfileFor } from "../../serve/select_profile_for.ts";
import { fileOf, resolveServing } from "../../serve/served_model.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { attempt } from "../doctor/check.ts";
import { PLACES } from "../pick_models.ts";
import { bold, green, yellow } from "../style.ts";
import { command, FORMAT_FLAG } from "../command.ts";

export const resolve = command<GpuInventory>({
  usage: "resolve [MODEL]",
  summary: "show where serving would find the model, and every place that was checked",
  model: "served",
  settings: [...SELECTION_SETTINGS, "cachePath"],
  flags: FORMAT_FLAG,
  examples: {
    "aim resolve meta-llama/Llama-3.1-8B-Instruct": "one model",
    "aim resolve s3://bucket/models/org/m --format json": "a model from S3, as JSON",
    "aim resolve": "the model that serve would load with this environment",
  },
  prepare: detectHardware,
  async run({ config, report }, gpus) {
    const { modelId, modelName, origins } = config;
    const { value: choice, error } = await attempt(() => selectProfileFor(config, gpus, "serve"));
    // A named model can be looked up even if no profile fits.
    const isNamed = error?.kind === "no-profile" && origins.modelId === "flag" && modelId !== null;
    const wanted = choice?.model ?? (isNamed ? namedModel(parseModelRef(modelId), modelName) : null);
    if (wanted === null) throw error;
    const model = wanted.name;
    const place = await resolveServing(config, wanted);
    const near = place.kind === "missing" && place.looked.every(({ state }) => state === "absent")
      ? await nearestInCache(config, model)
      : null;
    const suggestion = near === null ? "" : `did you mean ${near}?\n`;
    report(
      { model, profile: choice?.profile.id ?? null, ...place },
      () => inWords(model, place) + suggestion,
    );
    return place.kind === "missing" ? EXIT_CODES["not-found"].code : 0;
  },
});

function inWords(model: string, place: ModelPlace): string {
  const places = place.looked.map((looked) => {
    const mark = looked.state === "complete"
      ? green("found ")
      : yellow(looked.state === "absent" ? "absent" : "refused");
    const remedy = looked.remedy === undefined ? "" : `; ${remedyInWords(looked.remedy, model)}`;
    return `  ${mark} ${PLACES[looked.layout]} ${looked.path}: ${looked.reason}${remedy}`;
  });
  const first = place.kind === "path"
    ? fileOf(place)
    : place.kind === "hub"
    ? `${place.id} (${place.snapshot})`
    : `${model} is not in the cache`;
  return `${bold(first)}\n${places.join("\n")}\n`;
}
