import { cachePaths } from "../../cache/cache_paths.ts";
import { resolveModel } from "../../cache/resolve_model.ts";
import type { PlaceLookedAt, Resolution } from "../../cache/types.ts";
import { EXIT_CODES } from "../../errors/exit_codes.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { parseModelRef } from "../../sources/model_ref.ts";
import { chooseServing, resolveServing } from "../../serve/serving_plan.ts";
import { namedModel } from "../../serve/named_model.ts";
import type { Command, CommandContext } from "../command.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { style } from "../style.ts";

/** Version of the JSON that `aim resolve` prints. */
const VERSION = 1;

/** `aim resolve`: where serving would find the model, and every place looked at. */
export const resolve: Command<GpuInventory | null> = {
  name: "resolve",
  summary: "show where serving would find the model, and every place looked at",
  positionals: [{ name: "MODEL", required: false }],
  settings: [...SELECTION_SETTINGS, "cachePath"],
  flags: [{
    name: "format",
    type: "string",
    value: "FORMAT",
    choices: ["text", "json"],
    default: "text",
    help: "how the result is printed",
  }],
  examples: [
    { command: "aim resolve meta-llama/Llama-3.1-8B-Instruct", does: "one model" },
    { command: "aim resolve s3://bucket/models/org/m --format json", does: "a model from S3, for programs" },
    { command: "aim resolve", does: "the model that serve would load with this environment" },
  ],
  permissions: { write: false, net: false, run: false, ffi: false },
  prepare: async (context) => context.args.length === 0 ? await detectHardware(context) : null,
  async run(context) {
    const { flags, print, stdout } = context;
    const { model, resolution } = await look(context);
    print(
      flags.format === "json"
        ? `${JSON.stringify({ version: VERSION, model, ...resolution })}\n`
        : inWords(model, resolution, stdout.colour),
    );
    return resolution.kind === "missing" ? EXIT_CODES["not-found"].code : 0;
  },
};

async function look(
  { config, args, prepared }: CommandContext<GpuInventory | null>,
): Promise<{ model: string; resolution: Resolution }> {
  const [given] = args;
  if (given === undefined && prepared !== null) {
    const choice = await chooseServing(config, prepared);
    return { model: choice.model.name, resolution: await resolveServing(config, choice) };
  }
  const model = namedModel(parseModelRef(given ?? ""), config.modelName);
  if (model.ref.kind === "path") {
    return { model: model.name, resolution: await resolveServing(config, { model }) };
  }
  const revision = model.ref.kind === "hub" ? model.ref.revision : null;
  const resolution = await resolveModel({
    paths: cachePaths(config),
    name: model.name,
    ...(revision === null ? {} : { revision }),
  });
  return { model: model.name, resolution };
}

function inWords(model: string, resolution: Resolution, colour: boolean): string {
  const { bold, green, yellow } = style(colour);
  const places = resolution.looked.map((place) => {
    const mark = place.state === "complete"
      ? green("found ")
      : yellow(place.state === "partial" ? "refused" : "absent");
    return `  ${mark} ${WHERE[place.layout]} ${place.path}: ${place.reason}`;
  });
  const first = resolution.kind === "path"
    ? resolution.path
    : resolution.kind === "hub"
    ? `${resolution.id} (${resolution.snapshot})`
    : `${model} is not in the cache`;
  return `${bold(first)}\n${places.join("\n")}\n`;
}

const WHERE: Readonly<Record<PlaceLookedAt["layout"], string>> = {
  local: "local directory",
  hub: "Hugging Face cache",
  path: "path",
};
