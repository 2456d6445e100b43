import type { ListedFolder, ListedModel } from "../../cache/list_models.ts";
import { isPinned } from "../../cache/pinned.ts";
import { parseAge, parseSize } from "../../config/parse_setting.ts";
import { AimError } from "../../errors/aim_error.ts";
import { freeBytes, type Space } from "../../transfer/free_space.ts";
import { command, listed } from "../command.ts";
import { count, formatBytes } from "../format.ts";
import { LAYOUT_FLAG, pickModels } from "../pick_models.ts";
import { wrap } from "../render_help.ts";
import { yellow } from "../style.ts";
import { type Column, table } from "../table.ts";

export const cacheList = command({
  usage: "cache list [MODEL...]",
  summary: "show the models in the caches of both layouts",
  settings: ["cachePath"],
  flags: {
    ...LAYOUT_FLAG,
    "--sort name|size|used": "sort by name, size (largest first) or last use (latest first)",
    "--filter CONDITION...": "only models with size>10GiB, used>30d, name=org/*, state=partial or layout=hub",
    "--format table|json": "output format",
  },
  examples: {
    "aim cache list": "all models",
    "aim cache list --sort size --filter 'size>10GiB'": "only large models, largest first",
    "aim cache list --format json": "the same as JSON",
  },
  async run(context) {
    const { config, flags, stdout } = context;
    const filters = listed(flags.filter).map(parseFilter);
    const now = Date.now();
    const picked = (await pickModels(context)).filter((folder) => filters.every((test) => test(folder, now)));
    const folders = await Promise.all(
      sortFolders(picked, String(flags.sort)).map(async (folder) => ({
        ...folder,
        pinned: await isPinned(folder),
      })),
    );
    const { cachePath: local, hfHubCache: hub } = config;
    const space = await freeBytes(folders[0]?.path ?? local);
    const disk = space === null ? {} : { diskBytes: space.total, freeBytes: space.free };
    context.report(
      { paths: { local, hub }, ...disk, folders: folders.map(asJson) },
      () =>
        folders.length === 0 ? `no models in ${local} and ${hub}\n` : tableOf(folders, space, stdout.width),
    );
  },
});

type Test = (folder: ListedFolder, now: number) => boolean;

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => a === b,
};

/**
 * Parses a condition: `size>10GiB`, `used>30d` (unused for longer than that), `name=org/*`, `state=partial`,
 * `layout=hub`.
 *
 * @throws {AimError} `usage`.
 */
export function parseFilter(text: string): Test {
  const match = /^\s*(size|used|name|state|layout)\s*([<>]=?|=)\s*(\S.*?)\s*$/.exec(text);
  const [, key, operator = "", value = ""] = match ?? [];
  const compare = COMPARE[operator];
  const limit = key === "size" ? parseSize(value) : key === "used" ? parseAge(value) : null;
  if (compare !== undefined && limit !== null) {
    if (key === "size") return ({ diskBytes }) => compare(diskBytes, limit);
    return ({ lastUsed }, now) => compare(now - (lastUsed ?? 0), limit);
  }
  if (operator === "=" && key === "name") {
    const pattern = new RegExp(`^${value.split("*").map(RegExp.escape).join(".*")}$`, "i");
    return ({ name }) => pattern.test(name);
  }
  if (operator === "=" && key === "layout") return ({ layout }) => layout === value;
  if (operator === "=" && key === "state") return ({ models }) => models.some(({ state }) => state === value);
  const hint = "use size>10GiB, used>30d, name=org/*, state=complete or layout=hub";
  throw new AimError("usage", `--filter is ${JSON.stringify(text)}`, { hint });
}

export function sortFolders(folders: readonly ListedFolder[], key: string): ListedFolder[] {
  if (key === "size") return folders.toSorted((a, b) => b.diskBytes - a.diskBytes);
  if (key === "used") return folders.toSorted((a, b) => (b.lastUsed ?? 0) - (a.lastUsed ?? 0));
  return folders.toSorted((a, b) => a.name < b.name ? -1 : Number(a.name > b.name));
}

interface Folder extends ListedFolder {
  readonly pinned: boolean;
}

function asJson({ lastUsed, models, ...folder }: Folder): unknown {
  return { ...folder, models: models.map((model) => ({ ...model, lastUsed: isoTime(lastUsed) })) };
}

interface Row {
  readonly folder: Folder;
  readonly model: ListedModel;
}

function tableOf(folders: readonly Folder[], disk: Space | null, width: number): string {
  const rows = folders.flatMap((folder) => folder.models.map((model) => ({ folder, model })));
  // Only the first row of a folder shows its disk space, since snapshots share blobs.
  const isFirst = ({ folder, model }: Row) => folder.models[0] === model;
  const share = (row: Row) =>
    disk === null || !isFirst(row) ? "" : `${(row.folder.diskBytes * 100 / disk.total).toFixed(1)} %`;
  const columns: readonly Column<Row>[] = [
    { title: "MODEL", text: ({ model }) => model.name, atLast: 16 },
    { title: "LAYOUT", text: ({ model }) => model.layout, expendable: 2 },
    {
      title: "REVISION",
      text: ({ model }) => model.revision ?? model.commit?.slice(0, 12) ?? "-",
      expendable: 4,
    },
    { title: "SIZE", text: (row) => isFirst(row) ? formatBytes(row.folder.diskBytes) : "", right: true },
    { title: "OF DISK", text: share, expendable: 6, right: true },
    { title: "FILES", text: ({ model }) => String(model.files), expendable: 5, right: true },
    {
      title: "LAST USED",
      text: ({ folder }) => isoTime(folder.lastUsed)?.slice(0, 10) ?? "-",
      expendable: 3,
    },
    { title: "STATE", text: stateOf, atLast: 10 },
  ];
  const paint = ({ model }: Row, line: string) => model.state === "complete" ? line : yellow(line);
  const total = folders.reduce((sum, folder) => sum + folder.diskBytes, 0);
  const free = disk === null ? "" : `; ${formatBytes(disk.free)} of ${formatBytes(disk.total)} free`;
  const lines = [
    ...table(columns, rows, width, paint),
    ...wrap(`${count(folders.length, "model")}, ${formatBytes(total)}${free}`, width),
  ];
  return `${lines.join("\n")}\n`;
}

function stateOf({ folder, model }: Row): string {
  const pinned = folder.pinned ? ", pinned" : "";
  const why = model.state === "partial" || model.state === "damaged" ? `: ${model.reason}` : "";
  return `${model.state}${pinned}${why}`;
}

function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
