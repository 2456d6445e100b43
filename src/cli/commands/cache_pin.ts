import { setPinned } from "../../cache/pinned.ts";
import { folderInWords, LAYOUT_FLAG, pickModels } from "../pick_models.ts";
import { command, FORMAT_FLAG } from "../command.ts";

export const cachePin = command({
  usage: "cache pin MODEL...",
  summary: "protect models from cache prune --older-than and --keep",
  settings: ["cachePath"],
  flags: { "--remove": "unpin them", ...LAYOUT_FLAG, ...FORMAT_FLAG },
  examples: {
    "aim cache pin mistralai/Mistral-7B-v0.1": "pin a model",
    "aim cache pin mistralai/Mistral-7B-v0.1 --remove": "unpin it",
    "aim cache pin mistralai/Mistral-7B-v0.1 --layout local --format json": "as JSON",
  },
  permissions: { write: true },
  async run(context) {
    const pinned = context.flags.remove !== true;
    const folders = await pickModels(context);
    for (const folder of folders) await setPinned(folder, pinned);
    const models = folders.map(({ name, layout, path }) => ({ name, layout, path, pinned }));
    const now = pinned ? "pinned" : "no longer pinned";
    context.report({ models }, () => models.map((one) => `${folderInWords(one)}: ${now}\n`).join(""));
  },
});
