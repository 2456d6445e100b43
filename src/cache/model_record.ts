import { MANIFEST, snapshotRecord } from "./layout.ts";
import type { ListedModel } from "./list_models.ts";
import { type ModelRecord, readRecord } from "./record.ts";

/** The record of a listed model's download, if there is one. */
export async function recordOfModel(
  { path, layout, commit }: Pick<ListedModel, "path" | "layout" | "commit">,
): Promise<ModelRecord | null> {
  if (layout === "local") return await readRecord(`${path}/${MANIFEST}`);
  return commit === null ? null : await readRecord(snapshotRecord(folderOfModel({ path, layout }), commit));
}

/** The own folder of a listed model. */
export function folderOfModel({ path, layout }: Pick<ListedModel, "path" | "layout">): string {
  return layout === "local" ? path : path.replace(/\/snapshots\/[^/]*$/, "");
}
