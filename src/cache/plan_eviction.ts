import { planRemoval, type RemovalPlan } from "./clean_cache.ts";
import type { ListedFolder } from "./list_models.ts";
import { isPinned } from "./pinned.ts";

/** Which models may go. */
export interface EvictionOptions {
  /** Milliseconds: models that were not used for longer go. @default {null} */
  readonly olderThan: number | null;
  /** Bytes: the least recently used go until what is left takes no more. @default {null} */
  readonly keep: number | null;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Who serves a model; `null`: nobody that can be seen. */
  readonly servedBy: (folder: ListedFolder) => string | null;
}

/** What is to go, and what would have gone but is pinned or in use. */
export interface Eviction {
  readonly plans: readonly RemovalPlan[];
  readonly spared: readonly { readonly folder: ListedFolder; readonly why: string }[];
}

/** Plans the removal of models by age and total size, the least recently used first. Pinned models and those in use stay. */
export async function planEviction(
  folders: readonly ListedFolder[],
  { olderThan, keep, now, servedBy }: EvictionOptions,
): Promise<Eviction> {
  const plans: RemovalPlan[] = [];
  const spared: { folder: ListedFolder; why: string }[] = [];
  let total = folders.reduce((sum, folder) => sum + folder.diskBytes, 0);
  for (const folder of folders.toSorted((a, b) => (usedAt(a) ?? 0) - (usedAt(b) ?? 0))) {
    const used = usedAt(folder);
    const old = olderThan !== null && used !== null && now - used > olderThan;
    if (!old && !(keep !== null && total > keep)) continue;
    const server = servedBy(folder);
    if (server !== null || await isPinned(folder)) {
      spared.push({ folder, why: server === null ? "it is pinned" : `${server} serves it` });
      continue;
    }
    plans.push(await planRemoval(folder));
    total -= folder.diskBytes;
  }
  return { plans, spared };
}

/** When a model's files were last read, in milliseconds since 1970; `null` where it has none. */
export function usedAt({ models }: ListedFolder): number | null {
  return models.reduce<number | null>(
    (latest, { lastUsed }) => lastUsed === null ? latest : Math.max(latest ?? 0, lastUsed),
    null,
  );
}
