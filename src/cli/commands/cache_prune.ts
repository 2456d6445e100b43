import { cachePaths } from "../../cache/cache_paths.ts";
import { planPrune } from "../../cache/clean_cache.ts";
import type { Command } from "../command.ts";
import { confirmRemoval, REMOVAL_FLAGS } from "../confirm_removal.ts";

/** `aim cache prune`: remove what nobody needs. */
export const cachePrune: Command = {
  name: "cache prune",
  summary: "remove unfinished downloads, blobs that nothing uses and snapshots that no ref names",
  positionals: [],
  settings: ["cachePath"],
  flags: REMOVAL_FLAGS,
  examples: [
    { command: "aim cache prune", does: "show what would be freed, and ask" },
    { command: "aim cache prune --yes", does: "without asking" },
    { command: "aim cache prune --yes --format json", does: "for programs" },
  ],
  permissions: { write: true, net: false, run: false, ffi: false },
  async run(context) {
    return await confirmRemoval(context, await planPrune(cachePaths(context.config)));
  },
};
