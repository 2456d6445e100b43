import type { GpuInventory } from "../../gpu/types.ts";
import { loadProfiles } from "../../profiles/load_profiles.ts";
import { engineArgsOf } from "../../profiles/profile_content.ts";
import { PROFILE_STATES } from "../../profiles/types.ts";
import type { Config } from "../../config/config.ts";
import { filesInCache, type MemoryFit, memoryFit, type ModelFiles } from "../../serve/memory_fit.ts";
import { modelToLoad, profileSetOf, resolveServing, wantedModel } from "../../serve/served_model.ts";
import { attempt } from "../doctor/check.ts";
import { judgeProfilesFor } from "../../serve/select_profile_for.ts";
import { jsonValue } from "../../values/write_json.ts";
import { writeYaml } from "../../values/write_yaml.ts";
import { detectHardware, SELECTION_SETTINGS } from "../detect_hardware.ts";
import { gpuTable } from "../gpu_table.ts";
import {
  judgedListing,
  listingText,
  listingValue,
  plainListing,
  type ProfileRow,
  profileTable,
} from "../profile_listing.ts";
import { command } from "../command.ts";

export const listProfiles = command<GpuInventory | null>({
  usage: "list-profiles [MODEL]",
  summary: "show every profile and why it does or does not fit",
  model: "served",
  settings: SELECTION_SETTINGS,
  flags: {
    [`--state ${["all", ...PROFILE_STATES, "gpu_mismatch"].join("|")}`]:
      "only profiles in this state; gpu_mismatch means accelerator_mismatch",
    "--format table|text|json|yaml":
      "table: one line each; text: a paragraph each; json, yaml: a list for programs",
    "--skip-compatibility-check": "list profiles without checking them against the GPUs",
    "-v|--verbose": "also print models and paths, and in text format arguments and environment",
  },
  examples: {
    "aim list-profiles meta-llama/Llama-3.1-8B-Instruct": "what fits this host",
    "aim list-profiles openai/gpt-oss-20b --gpu-model MI325X --state compatible": "what fits another GPU",
    "aim list-profiles Qwen/Qwen3-32B --skip-compatibility-check": "every profile of a model",
  },
  async prepare(context) {
    return context.flags["skip-compatibility-check"] === true ? null : await detectHardware(context);
  },
  async run({ config, flags, print, stdout }, gpus) {
    const model = profileSetOf(wantedModel(config));
    const all = gpus === null
      ? plainListing((await loadProfiles(config, model)).profiles, model)
      : judgedListing(await judgeProfilesFor(config, gpus), config);
    const state = flags.state === "gpu_mismatch" ? "accelerator_mismatch" : flags.state;
    const inState = all.rows.filter((row) => state === "all" || row.state === state);
    const rows = gpus === null ? inState : await withMemory(inState, config, gpus);
    const value = () => listingValue(rows);
    if (flags.format === "json") return print(`${JSON.stringify(jsonValue(value()), null, 2)}\n`);
    if (flags.format === "yaml") return print(writeYaml(value()));
    const verbose = flags.verbose === true;
    const list = flags.format === "text"
      ? listingText(rows, verbose)
      : profileTable(rows, stdout.width, verbose);
    const found = gpus === null ? "" : gpuTable(gpus, stdout.width);
    const parts = [found, `${all.heading}\n`, rows.length === 0 ? "" : list, all.ending && `${all.ending}\n`];
    print(parts.filter((part) => part !== "").join("\n"));
  },
});

async function withMemory(
  rows: readonly ProfileRow[],
  config: Config,
  gpus: GpuInventory,
): Promise<ProfileRow[]> {
  const wanted = wantedModel(config);
  const known = new Map<string, ModelFiles | null>();
  const found: ProfileRow[] = [];
  for (const row of rows) {
    let memory: MemoryFit | null = null;
    if (row.state === "compatible") {
      const model = modelToLoad(config, wanted, row.profile.modelId);
      if (!known.has(model.uri)) {
        const { value: place } = await attempt(() => resolveServing(config, model));
        known.set(model.uri, place === null ? null : await filesInCache(place));
      }
      const files = known.get(model.uri) ?? null;
      memory = files === null ? null : memoryFit(gpus, engineArgsOf(row.profile), files);
    }
    found.push(memory === null ? row : { ...row, memory });
  }
  return found;
}
