import { isBookkeeping, listFiles } from "./files.ts";
import type { ModelRecord } from "./record.ts";
import type { StoredModel } from "./types.ts";

/** Describes a whole model that lies in a folder, by its record where it has one, else by its files. */
export async function storedModel(
  path: string,
  record: ModelRecord | null,
  commit?: string,
): Promise<StoredModel> {
  const files = await listFiles(path, { skip: isBookkeeping });
  const sizes = record === null ? [...files.values()] : record.files.map((file) => file.size);
  return {
    path,
    commit: record?.commit ?? commit ?? null,
    source: record?.source ?? "unknown",
    files: sizes.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}
