import { planRemoval } from "../../cache/clean_cache.ts";
import type { Command } from "../command.ts";
import { confirmRemoval, REMOVAL_FLAGS } from "../confirm_removal.ts";
import { LAYOUT_FLAG, pickModels } from "../pick_models.ts";

/** `aim cache remove`: remove models from the caches. */
export const cacheRemove: Command = {
  name: "cache remove",
  summary: "remove models from the caches",
  positionals: [{ name: "MODEL", required: true, many: true }],
  settings: ["cachePath"],
  flags: [LAYOUT_FLAG, ...REMOVAL_FLAGS],
  examples: {
    "aim cache remove mistralai/Mistral-7B-v0.1": "show what would be freed, and ask",
    "aim cache remove org/m --layout hub --yes": "only from the Hugging Face cache, without asking",
    "aim cache remove org/m --yes --format json": "for programs",
  },
  permissions: { write: true, net: false, run: false, ffi: false },
  async run(context) {
    const folders = await pickModels(context);
    return await confirmRemoval(context, await Promise.all(folders.map(planRemoval)), { named: true });
  },
};
