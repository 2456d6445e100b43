import { filesOfQuantisation } from "../sources/quantisation.ts";
import { isBookkeeping, listFiles } from "./files.ts";
import type { ModelRecord } from "./record.ts";
import type { StoredModel } from "./types.ts";

/** Describes a complete model, by its record if it has one, else by its files. */
export async function storedModel(
  path: string,
  record: ModelRecord | null,
  commit?: string,
  quantisation?: string,
): Promise<StoredModel> {
  const files = record === null
    ? await listFiles(path, { skip: isBookkeeping })
    : new Map(record.files.map((file) => [file.path, file.size]));
  const own = quantisation === undefined ? null : filesOfQuantisation(files.keys(), quantisation);
  const sizes = [...files].filter(([file]) => own?.has(file) ?? true).map(([, size]) => size);
  return {
    path,
    commit: record?.commit ?? commit ?? null,
    source: record?.source ?? "unknown",
    files: sizes.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}
