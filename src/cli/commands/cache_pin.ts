import { setPinned } from "../../cache/pinned.ts";
import type { Command } from "../command.ts";
import { formatFlag } from "../format_flag.ts";
import { jsonReport } from "../json_report.ts";
import { folderInWords, LAYOUT_FLAG, pickModels } from "../pick_models.ts";
import { flag } from "../flag.ts";

/** `aim cache pin`: protect models from pruning. */
export const cachePin: Command = {
  name: "cache pin",
  summary: "protect models from cache prune --older-than and --keep",
  positionals: [{ name: "MODEL", required: true, many: true }],
  settings: ["cachePath"],
  flags: [
    flag("--remove", "let them be pruned again"),
    LAYOUT_FLAG,
    formatFlag("text", "json"),
  ],
  examples: {
    "aim cache pin mistralai/Mistral-7B-v0.1": "keep a model",
    "aim cache pin mistralai/Mistral-7B-v0.1 --remove": "let it be pruned again",
    "aim cache pin mistralai/Mistral-7B-v0.1 --layout local --format json": "for programs",
  },
  permissions: { write: true, net: false, run: false, ffi: false },
  async run(context) {
    const { flags, print } = context;
    const pinned = flags.remove !== true;
    const folders = await pickModels(context);
    for (const folder of folders) await setPinned(folder, pinned);
    print(
      flags.format === "json"
        ? jsonReport({ models: folders.map(({ name, layout, path }) => ({ name, layout, path, pinned })) })
        : folders.map((folder) => `${folderInWords(folder)}: ${pinned ? "pinned" : "no longer pinned"}\n`)
          .join(""),
    );
  },
};
