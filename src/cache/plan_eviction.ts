import { AimError } from "../errors/aim_error.ts";
import { planRemoval, type RemovalPlan } from "./clean_cache.ts";
import type { ListedFolder } from "./list_models.ts";
import { isPinned } from "./pinned.ts";

export interface EvictionOptions {
  /** Milliseconds: removes models that have not been used for longer. @default {null} */
  readonly olderThan: number | null;
  /** Bytes: removes the least recently used models until the rest fits. @default {null} */
  readonly keep: number | null;
  readonly now: number;
  /** The process that serves a model; `null` for none. */
  readonly servedBy: (folder: ListedFolder) => string | null;
}

/** Models to remove, and models that stay because they are pinned or in use. */
export interface Eviction {
  readonly plans: readonly RemovalPlan[];
  readonly spared: readonly { readonly folder: ListedFolder; readonly why: string }[];
}

/** Plans the removal of models by age and total size, the least recently used first. */
export async function planEviction(
  folders: readonly ListedFolder[],
  { olderThan, keep, now, servedBy }: EvictionOptions,
): Promise<Eviction> {
  const plans: RemovalPlan[] = [];
  const spared: { folder: ListedFolder; why: string }[] = [];
  let total = folders.reduce((sum, folder) => sum + folder.diskBytes, 0);
  for (const folder of folders.toSorted((a, b) => (a.lastUsed ?? 0) - (b.lastUsed ?? 0))) {
    const { lastUsed } = folder;
    const old = olderThan !== null && lastUsed !== null && now - lastUsed > olderThan;
    if (!old && !(keep !== null && total > keep)) continue;
    const server = servedBy(folder);
    if (server !== null || await isPinned(folder)) {
      spared.push({ folder, why: server === null ? "it is pinned" : `${server} serves it` });
      continue;
    }
    try {
      plans.push(await planRemoval(folder));
      total -= folder.diskBytes;
    } catch (error) {
      if (!(error instanceof AimError)) throw error;
      spared.push({ folder, why: error.message });
    }
  }
  return { plans, spared };
}
