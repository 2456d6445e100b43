import { filesBelow } from "../../os/files_below.ts";
import { writeFile } from "../../os/write_file.ts";
import { readTextOrNull } from "../files.ts";
import { AIM_FOLDER, folderOf, folderOfModel, type ModelOnDisk, nameOf } from "../layout.ts";
import { fieldsOf, isJsonObject, jsonOrNull } from "../../values/json.ts";

// A mark lists the bad files that `cache verify` found in a model: reasons by path, and the time (RFC 3339).
// A repair, a download or another verify removes it.

export function damageMarkPath(model: ModelOnDisk): string {
  const commit = model.layout === "local" ? "" : `${nameOf(model.path)}.`;
  return `${folderOfModel(model)}/${AIM_FOLDER}/${commit}damaged.json`;
}

/** Reads a mark: reasons by path; empty without a mark. */
export async function readDamageMark(path: string): Promise<ReadonlyMap<string, string>> {
  const text = await readTextOrNull(path);
  if (text === null) return new Map();
  const { files } = fieldsOf(jsonOrNull(text));
  // An invalid mark still shows that files were bad.
  if (!isJsonObject(files)) return new Map([["", "cache verify found it bad"]]);
  return new Map(Object.entries(files).map(([path, why]) => [path, String(why)]));
}

/** Writes a mark, or removes it if no file is bad. */
export function writeDamageMark(path: string, files: ReadonlyMap<string, string>): void {
  const folder = filesBelow(folderOf(folderOf(path)));
  if (files.size === 0) return folder.remove(path);
  const mark = { files: Object.fromEntries(files), foundAt: new Date().toISOString() };
  writeFile(folder, path, `${JSON.stringify(mark, null, 1)}\n`);
}
