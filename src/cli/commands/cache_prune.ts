import { planPrune } from "../../cache/clean_cache.ts";
import { listModels } from "../../cache/list_models.ts";
import { planEviction } from "../../cache/plan_eviction.ts";
import { parseSize } from "../../config/parse_setting.ts";
import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { confirmRemoval, REMOVAL_FLAGS } from "../confirm_removal.ts";
import { parseAge } from "../list_filter.ts";
import { existingCaches, folderInWords } from "../pick_models.ts";
import { serverOf, type ServingProcess, servingProcesses } from "../served_models.ts";
import { command, flag, text } from "../define.ts";

export const cachePrune = command<readonly ServingProcess[]>({
  usage: "cache prune",
  summary: "remove unfinished downloads, unused blobs and snapshots, and models by age or total size",
  settings: ["cachePath"],
  flags: [
    flag(
      "--older-than AGE",
      "also models unused for this long, such as 30d (m, h, d, w); never those pinned or in use",
    ),
    flag(
      "--keep SIZE",
      "also models, least recently used first, until the rest fits in this size, such as 200GiB",
    ),
    ...REMOVAL_FLAGS,
  ],
  examples: {
    "aim cache prune": "show what would be freed, and ask",
    "aim cache prune --older-than 30d --keep 200GiB --yes": "without asking, models too",
    "aim cache prune --yes --format json": "for programs",
  },
  permissions: { write: true },
  prepare: ({ flags }) =>
    Promise.resolve(flags["older-than"] === undefined && flags.keep === undefined ? [] : servingProcesses()),
  async run(context) {
    const { config, flags, prepared } = context;
    const olderThan = valueOf("--older-than", text(flags["older-than"]), parseAge, "an age, as 30d or 12h");
    const keep = valueOf("--keep", text(flags.keep), parseSize, "a size, as 200GiB");
    const paths = await existingCaches(config);
    const plans = await planPrune(paths);
    if (olderThan === null && keep === null) return await confirmRemoval(context, plans, { named: false });
    const servedBy = serverOf(prepared);
    const eviction = await planEviction(await listModels(paths), {
      olderThan,
      keep,
      now: Date.now(),
      servedBy,
    });
    for (const { folder, why } of eviction.spared) log.info(`${folderInWords(folder)} stays: ${why}`);
    const gone = new Set(eviction.plans.map(({ folder }) => folder.path));
    return await confirmRemoval(context, [
      ...plans.filter(({ folder }) => !gone.has(folder.path)),
      ...eviction.plans,
    ], { named: false });
  },
});

function valueOf(
  flag: string,
  given: string | undefined,
  parse: (text: string) => number | null,
  allowed: string,
): number | null {
  if (given === undefined) return null;
  const value = parse(given);
  if (value === null) {
    throw new AimError("usage", `${flag} is ${JSON.stringify(given)}`, { hint: `use ${allowed}` });
  }
  return value;
}
