import { nodeModule } from "../../os/node_module.ts";
import type { ListedFolder, ListedModel } from "../../cache/list_models.ts";
import { cachePaths } from "../../cache/cache_paths.ts";
import { isPinned } from "../../cache/pinned.ts";
import type { Command } from "../command.ts";
import { listed } from "../download_flags.ts";
import { count, formatBytes } from "../format.ts";
import { formatFlag } from "../format_flag.ts";
import { jsonReport } from "../json_report.ts";
import { parseFilter, SORT_KEYS, sortFolders } from "../list_filter.ts";
import { LAYOUT_FLAG, pickModels } from "../pick_models.ts";
import { wrap } from "../render_help.ts";
import { style } from "../style.ts";
import { type Column, table } from "../table.ts";
import { flag } from "../flag.ts";

/** `aim cache list`: the models in the caches. */
export const cacheList: Command = {
  name: "cache list",
  summary: "show the models in the caches of both layouts",
  positionals: [{ name: "MODEL", required: false, many: true }],
  settings: ["cachePath"],
  flags: [
    LAYOUT_FLAG,
    flag("--sort KEY", "by name, by size (largest first) or by last use (latest first)", {
      choices: SORT_KEYS,
      default: "name",
    }),
    flag(
      "--filter CONDITION...",
      "only models with size>10GiB, used>30d, name=org/*, state=partial or layout=hub",
    ),
    formatFlag("table", "json"),
  ],
  examples: {
    "aim cache list": "all models",
    "aim cache list --sort size --filter 'size>10GiB'": "the large ones, largest first",
    "aim cache list --format json": "the same for programs",
  },
  permissions: { write: false, net: false, run: false, ffi: false },
  async run(context) {
    const { config, flags, print, stdout } = context;
    const filters = listed(flags.filter).map(parseFilter);
    const now = Date.now();
    const picked = (await pickModels(context)).filter((folder) => filters.every((test) => test(folder, now)));
    const folders = await Promise.all(
      sortFolders(picked, String(flags.sort)).map(async (folder) => ({
        ...folder,
        pinned: await isPinned(folder),
      })),
    );
    const { root, hub } = cachePaths(config);
    const disk = await diskOf(root) ?? await diskOf(hub);
    if (flags.format === "json") {
      print(jsonReport({ paths: { local: root, hub }, ...disk, folders: folders.map(asJson) }));
      return 0;
    }
    const lines = folders.length === 0
      ? [`no models in ${root} and ${hub}`]
      : tableOf(folders, disk, { colour: stdout.colour, width: stdout.columns });
    print(`${lines.join("\n")}\n`);
    return 0;
  },
};

interface Folder extends ListedFolder {
  readonly pinned: boolean;
}

interface Disk {
  readonly diskBytes: number;
  readonly freeBytes: number;
}

async function diskOf(path: string): Promise<Disk | null> {
  try {
    const { blocks, bavail, bsize } = await nodeModule("node:fs/promises").statfs(path);
    return { diskBytes: blocks * bsize, freeBytes: bavail * bsize };
  } catch {
    return null;
  }
}

function asJson(folder: Folder): unknown {
  const models = folder.models.map(({ lastUsed, ...model }) => ({ ...model, lastUsed: isoTime(lastUsed) }));
  return { ...folder, models };
}

interface Row {
  readonly folder: Folder;
  readonly model: ListedModel;
  /** The first row of a folder shows its disk space, since snapshots share blobs. */
  readonly first: boolean;
}

function tableOf(
  folders: readonly Folder[],
  disk: Disk | null,
  { colour, width }: { colour: boolean; width: number },
): string[] {
  const { yellow } = style(colour);
  const rows = folders.flatMap((folder) =>
    folder.models.map((model, at): Row => ({ folder, model, first: at === 0 }))
  );
  const share = ({ folder, first }: Row) =>
    disk === null || !first ? "" : `${(folder.diskBytes * 100 / disk.diskBytes).toFixed(1)} %`;
  const columns: readonly Column<Row>[] = [
    { title: "MODEL", text: ({ model }) => model.name, atLast: 16 },
    { title: "LAYOUT", text: ({ model }) => model.layout, expendable: 2 },
    {
      title: "REVISION",
      text: ({ model }) => model.revision ?? model.commit?.slice(0, 12) ?? "-",
      expendable: 4,
    },
    { title: "SIZE", text: ({ folder, first }) => first ? formatBytes(folder.diskBytes) : "", right: true },
    { title: "OF DISK", text: share, expendable: 6, right: true },
    { title: "FILES", text: ({ model }) => String(model.files), expendable: 5, right: true },
    { title: "LAST USED", text: ({ model }) => isoTime(model.lastUsed)?.slice(0, 10) ?? "-", expendable: 3 },
    { title: "STATE", text: stateOf, atLast: 10 },
  ];
  const paint = ({ model }: Row, line: string) => model.state === "complete" ? line : yellow(line);
  const total = folders.reduce((sum, folder) => sum + folder.diskBytes, 0);
  const free = disk === null ? "" : `; ${formatBytes(disk.freeBytes)} of ${formatBytes(disk.diskBytes)} free`;
  return [
    ...table(columns, rows, { width, colour, paint }),
    ...wrap(`${count(folders.length, "model")}, ${formatBytes(total)}${free}`, width),
  ];
}

function stateOf({ folder, model }: Row): string {
  const pinned = folder.pinned ? ", pinned" : "";
  return `${model.state}${pinned}${model.state === "partial" ? `: ${model.reason}` : ""}`;
}

function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
