import { filesBelow } from "../../os/files_below.ts";
import { writeFile } from "../../os/write_file.ts";
import { readTextOrNull } from "../files.ts";
import { AIM_FOLDER, folderOf } from "../layout.ts";

/** What `cache verify` found bad in a model; it stays until a repair, a download or another verify clears it. */
export interface DamageMark {
  /** Reason by path. */
  readonly files: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly foundAt: string;
}

/**
 * Where the mark of a model is.
 *
 * @param folder The model's own: the local directory, or `models--org--model`.
 * @param commit Of the snapshot; `null` for a local directory.
 */
export function damageMarkPath(folder: string, commit: string | null): string {
  return `${folder}/${AIM_FOLDER}/${commit === null ? "" : `${commit}.`}damaged.json`;
}

/** Reads a mark: reasons by path; empty without one. */
export async function readDamageMark(path: string): Promise<ReadonlyMap<string, string>> {
  const text = await readTextOrNull(path);
  if (text === null) return new Map();
  try {
    const { files }: Partial<DamageMark> = JSON.parse(text);
    return new Map(Object.entries(files ?? {}).filter(([, why]) => typeof why === "string"));
  } catch {
    // Torn: that a mark was written at all is enough.
    return new Map([["", "cache verify found it bad"]]);
  }
}

/** Writes a mark; removes it where there is nothing bad. */
export function writeDamageMark(path: string, files: ReadonlyMap<string, string>): void {
  const folder = filesBelow(folderOf(folderOf(path)));
  if (files.size === 0) return folder.remove(path);
  const mark: DamageMark = { files: Object.fromEntries(files), foundAt: new Date().toISOString() };
  writeFile(folder, path, `${JSON.stringify(mark, null, 1)}\n`);
}
