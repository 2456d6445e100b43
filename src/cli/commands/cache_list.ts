import type { ListedFolder, ListedModel } from "../../cache/list_models.ts";
import type { Command } from "../command.ts";
import { count, formatBytes } from "../format.ts";
import { LAYOUT_FLAG, pickModels } from "../pick_models.ts";
import { style } from "../style.ts";
import { jsonReport } from "../json_report.ts";

/** `aim cache list`: the models in the caches. */
export const cacheList: Command = {
  name: "cache list",
  summary: "show the models in the caches of both layouts",
  positionals: [{ name: "MODEL", required: false, many: true }],
  settings: ["cachePath"],
  flags: [LAYOUT_FLAG, {
    name: "format",
    type: "string",
    value: "FORMAT",
    choices: ["table", "json"],
    default: "table",
    help: "how the result is printed",
  }],
  examples: [
    { command: "aim cache list", does: "all models" },
    { command: "aim cache list --layout hub", does: "those in the Hugging Face cache" },
    { command: "aim cache list --format json", does: "the same for programs" },
  ],
  permissions: { write: false, net: false, run: false, ffi: false },
  async run(context) {
    const folders = await pickModels(context);
    context.print(
      context.flags.format === "json"
        ? jsonReport({ folders: folders.map(asJson) })
        : table(folders, context.stdout.colour),
    );
    return 0;
  },
};

function asJson(folder: ListedFolder): unknown {
  const models = folder.models.map(({ lastUsed, ...model }) => ({ ...model, lastUsed: isoTime(lastUsed) }));
  return { ...folder, models };
}

function table(folders: readonly ListedFolder[], colour: boolean): string {
  if (folders.length === 0) return "the caches are empty\n";
  const { bold, yellow } = style(colour);
  const rows = folders.flatMap((folder) =>
    folder.models.map((model, at) => [
      model.name,
      model.layout,
      model.revision ?? model.commit?.slice(0, 12) ?? "-",
      // Snapshots share blobs: what the folder takes is shown once.
      at === 0 ? formatBytes(folder.diskBytes) : "",
      String(model.files),
      stateOf(model),
      isoTime(model.lastUsed)?.slice(0, 10) ?? "-",
    ])
  );
  const titles = ["MODEL", "LAYOUT", "REVISION", "ON DISK", "FILES", "STATE", "LAST USED"];
  const widths = titles.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => (row[at] ?? "").length))
  );
  const line = (row: readonly string[]) =>
    row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ").trimEnd();
  const total = folders.reduce((sum, folder) => sum + folder.diskBytes, 0);
  const body = rows.map((row) => (row[5] ?? "").startsWith("complete") ? line(row) : yellow(line(row)));
  return [bold(line(titles)), ...body, `${count(folders.length, "model")}, ${formatBytes(total)} on disk`, ""]
    .join("\n");
}

function stateOf(model: ListedModel): string {
  const { state, reason } = model;
  return state === "partial" || state === "damaged" ? `${state}: ${reason}` : state;
}

function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
