import { planPrune } from "../../cache/clean_cache.ts";
import { type ListedFolder, listModels } from "../../cache/list_models.ts";
import { planEviction } from "../../cache/plan_eviction.ts";
import { parseAge, parseSize } from "../../config/parse_setting.ts";
import { AimError } from "../../errors/aim_error.ts";
import { log } from "../../log/logger.ts";
import { kernelFiles } from "../../os/kernel_files.ts";
import { confirmRemoval, REMOVAL_FLAGS } from "../confirm_removal.ts";
import { folderInWords, requireCaches } from "../pick_models.ts";
import { command, text } from "../command.ts";

export const cachePrune = command<readonly ServingProcess[]>({
  usage: "cache prune",
  summary: "remove unfinished downloads, unused blobs and snapshots, and models by age or total size",
  settings: ["cachePath"],
  flags: {
    "--older-than AGE":
      "also remove models unused for this long, such as 30d (m, h, d, w), but none pinned or in use",
    "--keep SIZE":
      "also remove models, least recently used first, until the rest fits in this size, such as 200GiB",
    ...REMOVAL_FLAGS,
  },
  examples: {
    "aim cache prune": "show what would be freed, and ask",
    "aim cache prune --older-than 30d --keep 200GiB --yes": "remove models too, without asking",
    "aim cache prune --yes --format json": "without asking, as JSON",
  },
  permissions: { write: true },
  prepare: servingProcesses,
  async run(context, processes) {
    const { config, flags } = context;
    const olderThan = valueOf("--older-than", text(flags["older-than"]), parseAge, "30d or 12h");
    const keep = valueOf("--keep", text(flags.keep), parseSize, "200GiB");
    await requireCaches(config);
    const leftovers = await planPrune(config);
    if (olderThan === null && keep === null) return await confirmRemoval(context, leftovers);
    const servedBy = (folder: ListedFolder) => serverOf(processes, folder);
    const options = { olderThan, keep, now: Date.now(), servedBy };
    const { plans, spared } = await planEviction(await listModels(config), options);
    for (const { folder, why } of spared) log.info(`${folderInWords(folder)} is kept: ${why}`);
    const gone = new Set(plans.map(({ folder }) => folder.path));
    await confirmRemoval(context, [...leftovers.filter(({ folder }) => !gone.has(folder.path)), ...plans]);
  },
});

function valueOf(
  flag: string,
  given: string | undefined,
  parse: (text: string) => number | null,
  example: string,
): number | null {
  const value = given === undefined ? null : parse(given);
  if (given === undefined || value !== null) return value;
  throw new AimError("usage", `${flag} is ${JSON.stringify(given)}`, { hint: `write it as ${example}` });
}

interface ServingProcess {
  readonly pid: number;
  readonly words: readonly string[];
}

/** The visible processes with `--model` in their command lines. */
function servingProcesses(): ServingProcess[] {
  const files = kernelFiles();
  const names = files.list("/proc");
  if (names.kind !== "ok") return [];
  return names.value.filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const text = files.text(`/proc/${name}/cmdline`);
    const words = text.kind === "ok" ? text.value.split("\0") : [];
    return words.some((word) => /^--model(?:=|$)/.test(word)) ? [{ pid: Number(name), words }] : [];
  });
}

/** The process that serves a model, such as `process 7`; `null` for none. */
export function serverOf(
  processes: readonly ServingProcess[],
  { name, path }: Pick<ListedFolder, "name" | "path">,
): string | null {
  const server = processes.find(({ words }) =>
    words.some((word, at) => {
      const model = word.startsWith("--model=") ? word.slice(8) : words[at - 1] === "--model" ? word : null;
      return model !== null && (model === name || model === path || model.startsWith(`${path}/`));
    })
  );
  return server === undefined ? null : `process ${server.pid}`;
}
