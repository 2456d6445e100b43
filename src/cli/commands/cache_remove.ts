import { planRemoval } from "../../cache/clean_cache.ts";
import { command } from "../command.ts";
import { confirmRemoval, REMOVAL_FLAGS } from "../confirm_removal.ts";
import { LAYOUT_FLAG, pickModels } from "../pick_models.ts";

export const cacheRemove = command({
  usage: "cache remove MODEL...",
  summary: "remove models from the caches",
  settings: ["cachePath"],
  flags: { ...LAYOUT_FLAG, ...REMOVAL_FLAGS },
  examples: {
    "aim cache remove mistralai/Mistral-7B-v0.1": "show what would be freed, and ask",
    "aim cache remove org/m --layout hub --yes": "only from the Hugging Face cache, without asking",
    "aim cache remove org/m --yes --format json": "without asking, as JSON",
  },
  permissions: { write: true },
  async run(context) {
    const folders = await pickModels(context);
    return await confirmRemoval(context, await Promise.all(folders.map(planRemoval)), { named: true });
  },
});
