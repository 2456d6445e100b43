import { AimError, errnoOf, errorFrom } from "../errors/mod.ts";
import { leaseHolder, withLease } from "../transfer/mod.ts";
import { isAbsence, listFiles, lstatOrNull } from "./files.ts";
import { snapshotRecord } from "./hub_placement.ts";
import { diskUse, entriesOf } from "./inspect_disk.ts";
import { hubFolders, localFolders, type ModelFolder, revisionsOf } from "./list_models.ts";
import { readRecord } from "./record.ts";
import type { CachePaths } from "./types.ts";

/** Something that can go. */
export interface Removable {
  readonly path: string;
  readonly why: string;
  /** Bytes that are free afterwards, as `du` counts. */
  readonly bytes: number;
}

/** What would be removed of one model's folder. */
export interface RemovalPlan {
  readonly folder: ModelFolder;
  /** The folder itself goes too. */
  readonly whole: boolean;
  readonly removables: readonly Removable[];
  /** Who is downloading into it; then nothing is touched. */
  readonly busy: string | null;
}

/** What removing a model would take away. */
export async function planRemoval(folder: ModelFolder): Promise<RemovalPlan> {
  const info = await lstatOrNull(folder.path);
  if (info?.isSymlink) {
    throw new AimError(
      "usage",
      `${folder.path} is a symbolic link: what it names may lie outside of the cache`,
      {
        hint: "remove the link yourself",
      },
    );
  }
  const { bytes } = await diskUse(folder.path, await sharedFiles(folder.path));
  const removables = [{ path: folder.path, why: "the model", bytes }];
  return { folder, whole: true, removables, busy: await holderOf(folder) };
}

/**
 * What nobody needs: partial downloads, blobs that no snapshot uses, snapshots that no ref names (one that was downloaded by its commit
 * stays). Nothing of a folder that a download is at work in.
 */
export async function planPrune(paths: CachePaths): Promise<RemovalPlan[]> {
  const plans: RemovalPlan[] = [];
  for (const folder of [...await localFolders(paths), ...await hubFolders(paths)]) {
    const removables = folder.layout === "local" ? await staleLocal(folder) : await staleHub(folder);
    if (removables.length > 0) plans.push({ folder, whole: false, removables, busy: await holderOf(folder) });
  }
  return plans;
}

/**
 * Carries a plan out under the model's lease, so that no download is disturbed. Returns the bytes that are free now.
 *
 * @throws {AimError} `no-space` where something cannot be removed.
 */
export async function removePlanned(plan: RemovalPlan, signal: AbortSignal): Promise<number> {
  return await withLease(plan.folder.path, { signal }, async () => {
    let freed = 0;
    for (const { path, bytes } of plan.removables) {
      if (plan.whole) await removeFolder(path);
      else await removeAny(path);
      freed += bytes;
    }
    return freed;
  }).finally(async () => {
    if (plan.whole) await removeEmpty(plan.folder);
  });
}

/** A partial file; a name is enough, whoever made it. */
const PARTIAL = /\.incomplete(?:\.parts)?$|\.[0-9a-f]{8}\.tmp$/;

async function staleLocal(folder: ModelFolder): Promise<Removable[]> {
  return await partials(folder.path);
}

async function staleHub({ path }: ModelFolder): Promise<Removable[]> {
  const removables = await partials(path);
  const named = new Set((await revisionsOf(path)).map((one) => one.commit));
  const kept: string[] = [];
  for (const { name, isDirectory } of await entriesOf(`${path}/snapshots`)) {
    if (!isDirectory) continue;
    const record = await readRecord(snapshotRecord(path, name));
    if (named.has(name) || named.size === 0 || record?.revision === name) kept.push(name);
    else removables.push(await removable(`${path}/snapshots/${name}`, "no ref names this snapshot"));
  }
  const used = new Set<string>();
  for (const commit of kept) {
    for (const file of (await listFiles(`${path}/snapshots/${commit}`)).keys()) {
      const link = await Deno.readLink(`${path}/snapshots/${commit}/${file}`).catch(() => "");
      used.add(link.split("/").at(-1) ?? "");
    }
    for (const file of (await readRecord(snapshotRecord(path, commit)))?.files ?? []) {
      used.add(file.blob ?? file.etag);
    }
  }
  for (const { name, isFile } of await entriesOf(`${path}/blobs`)) {
    if (isFile && !PARTIAL.test(name) && !used.has(name)) {
      removables.push(await removable(`${path}/blobs/${name}`, "no snapshot uses this blob"));
    }
  }
  return removables;
}

async function partials(folder: string): Promise<Removable[]> {
  const names = [...(await listFiles(folder)).keys()].filter((name) => PARTIAL.test(name)).sort();
  return await Promise.all(names.map((name) => removable(`${folder}/${name}`, "an unfinished download")));
}

async function removable(path: string, why: string): Promise<Removable> {
  return { path, why, bytes: (await diskUse(path, new Set())).bytes };
}

/** Files that keep existing through links elsewhere when a folder goes: removing them frees nothing. */
async function sharedFiles(folder: string): Promise<Set<string>> {
  const links = new Map<string, { here: number; all: number }>();
  const walk = async (path: string): Promise<void> => {
    for (const entry of await entriesOf(path)) {
      const info = await lstatOrNull(`${path}/${entry.name}`);
      if (info?.isDirectory) await walk(`${path}/${entry.name}`);
      else if (info !== null && (info.nlink ?? 1) > 1) {
        const key = `${info.dev}:${info.ino}`;
        links.set(key, { here: (links.get(key)?.here ?? 0) + 1, all: info.nlink ?? 1 });
      }
    }
  };
  await walk(folder);
  return new Set([...links].filter(([, { here, all }]) => here < all).map(([key]) => key));
}

/** Who holds a folder's lease and is alive; one that died long ago does not count. */
async function holderOf({ path }: ModelFolder): Promise<string | null> {
  const holder = leaseHolder(path);
  if (holder === null) return null;
  const lock = `${path}/.aim/lock`;
  const before = await lstatOrNull(lock);
  // A living holder renews it every two seconds.
  for (let waited = 0; waited < 5_000; waited += 250) {
    await new Promise((done) => setTimeout(done, 250));
    const now = await lstatOrNull(lock);
    if (now === null) return null;
    if (now.mtime?.getTime() !== before?.mtime?.getTime() || now.ino !== before?.ino) return holder;
  }
  return null;
}

async function removeFolder(path: string): Promise<void> {
  for (const entry of await entriesOf(path)) {
    // The lease lies in it until the end; lost+found belongs to the file system.
    if (entry.name === ".aim" || entry.name === "lost+found") continue;
    await removeAny(`${path}/${entry.name}`);
  }
}

/** The folder, and its organisation's when nothing else is in it. A mount point stays. */
async function removeEmpty({ path, layout, name }: ModelFolder): Promise<void> {
  await removeAny(`${path}/.aim`);
  const folders = layout === "local" && name.includes("/") ? [path, path.replace(/\/[^/]*$/, "")] : [path];
  for (const folder of folders) {
    try {
      await Deno.remove(folder);
    } catch (error) {
      if (isAbsence(error) || ["ENOTEMPTY", "EBUSY", "EEXIST"].includes(errnoOf(error) ?? "")) return;
      // The parent of a mount point may belong to someone else.
      if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.Busy) return;
      if (/not empty|busy/i.test(error instanceof Error ? error.message : "")) return;
      throw errorFrom(error, `removing ${folder}`);
    }
  }
}

async function removeAny(path: string): Promise<void> {
  try {
    // Links are removed, not followed.
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!isAbsence(error)) throw errorFrom(error, `removing ${path}`);
  }
}
