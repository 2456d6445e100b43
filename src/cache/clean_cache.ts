import { liveHolder, withLease } from "../transfer/lease/lease.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { filesBelow, makeDirectories } from "../os/files_below.ts";
import { writeFile } from "../os/write_file.ts";
import { entriesBelow, entriesOf, isAbsence, lstatOrNull, ownEntries, readableEntries } from "./files.ts";
import { diskUse } from "./inspect_disk.ts";
import { AIM_FOLDER, folderOf, nameOf, recordPath, UNFINISHED } from "./layout.ts";
import { hasRecords, hubFolders, localFolders, type ModelFolder, revisionsOf } from "./list_models.ts";
import { readRecord } from "./record.ts";
import { removeSharedBlob, sharedBlob, sharedBlobUses } from "./shared_blobs.ts";
import type { CachePaths } from "./types.ts";

export interface Removable {
  readonly path: string;
  readonly why: string;
  /** Bytes that its removal frees, like `du`. */
  readonly bytes: number;
}

export interface RemovalPlan {
  readonly folder: ModelFolder;
  /** The folder itself is removed too. */
  readonly whole: boolean;
  readonly removables: readonly Removable[];
  /** Who is downloading into it, which prevents the removal; `null` if none. */
  readonly busy: string | null;
}

export async function planRemoval(folder: ModelFolder): Promise<RemovalPlan> {
  const { path, layout } = folder;
  if ((await lstatOrNull(path))?.isSymlink) {
    const message = `${path} is a symbolic link whose target may be outside the cache`;
    throw new AimError("usage", message, { hint: "remove the link yourself" });
  }
  await refuseNested(folder);
  const { bytes } = await diskUse(path, await sharedFiles(path));
  const blobs = layout === "hub" ? await ownEntries(`${path}/blobs`) : [];
  const removables = [{ path, why: "the model", bytes }, ...await unsharedThen(folder, blobs)];
  return { folder, whole: true, removables, busy: await downloaderOf(folder) };
}

/**
 * Plans the removal of partial downloads, unused blobs, and snapshots without a ref that were not downloaded
 * by commit.
 */
export async function planPrune(paths: CachePaths): Promise<RemovalPlan[]> {
  const plans: RemovalPlan[] = [];
  for (const folder of [...await localFolders(paths), ...await hubFolders(paths)]) {
    try {
      const removables = await staleOf(folder);
      if (removables.length === 0) continue;
      plans.push({ folder, whole: false, removables, busy: await downloaderOf(folder) });
    } catch (error) {
      if (!(error instanceof AimError)) throw error;
      log.warn(`skipping ${folder.name}: ${error.message}`);
    }
  }
  return plans;
}

/**
 * Carries out a plan under the model's lease. Keeps files that came into use after planning.
 *
 * @returns What was removed.
 * @throws {AimError} `no-space` if something cannot be removed.
 */
export async function removePlanned(plan: RemovalPlan, signal: AbortSignal): Promise<readonly Removable[]> {
  const { folder, whole } = plan;
  if (await lstatOrNull(folder.path) === null) return [];
  // The folder may have been replaced by a link since the plan, and the lease is written into it.
  makeDirectories(baseOf(folder), [`${folder.path}/${AIM_FOLDER}`]);
  const removed: Removable[] = [];
  await withLease(folder.path, { signal }, async () => {
    if (whole) await refuseNested(folder);
    const still = new Set((whole ? plan.removables : await staleOf(folder)).map(({ path }) => path));
    // Shared blobs come last, after the links to them.
    for (const one of plan.removables.filter(({ path }) => still.has(path))) {
      if (one.why === SHARED && !await removeSharedBlob(folderOf(folder.path), one.path)) continue;
      if (one.why !== SHARED) await (whole ? removeContents(folder) : removeAny(one.path));
      removed.push(one);
    }
  });
  if (whole) await removeEmpty(folder);
  return removed;
}

/** Names of partial files, of any program. */
const PARTIAL = /\.incomplete(?:\.parts)?$|\.[0-9a-f]{8}\.tmp$/;
/** aim's temporary names in a snapshot, where the model's files may have any other name. */
const TEMPORARY = /\/\.aim\.[0-9a-f]{8}\.tmp$/;

async function staleOf(folder: ModelFolder): Promise<Removable[]> {
  const stale = (await partials(folder)).map((path) => removable(path, "an unfinished download"));
  return [...await Promise.all(stale), ...folder.layout === "hub" ? await staleInHub(folder) : []];
}

async function removable(path: string, why: string): Promise<Removable> {
  return { path, why, bytes: (await diskUse(path)).bytes };
}

/** Partial files, except those that a record lists: they belong to the model. */
async function partials(folder: ModelFolder): Promise<string[]> {
  const record = folder.layout === "local" ? await readRecord(recordPath(folder)) : null;
  const own = new Set(record?.files.map(({ path }) => path));
  return (await Array.fromAsync(entriesBelow(folder.path))).filter(({ path, isDirectory }) =>
    !isDirectory && (/(?:^|\/)snapshots\//.test(path) ? TEMPORARY : PARTIAL).test(path) && !own.has(path)
  ).map(({ path }) => `${folder.path}/${path}`);
}

async function staleInHub(folder: ModelFolder): Promise<Removable[]> {
  const { path } = folder;
  const stale: Removable[] = [];
  const named = new Set((await revisionsOf(path)).map((one) => one.commit));
  const used = new Set<string>();
  for (const { name, isDirectory } of await ownEntries(`${path}/snapshots`)) {
    if (!isDirectory) continue;
    const snapshot = `${path}/snapshots/${name}`;
    const recordAt = recordPath({ layout: "hub", path: snapshot });
    const record = await readRecord(recordAt);
    if (named.has(name) || named.size === 0 || record?.revision === name) {
      for (const blob of await blobsOf(snapshot)) used.add(blob);
      for (const file of record?.files ?? []) used.add(file.blob ?? file.etag);
      continue;
    }
    stale.push(await removable(snapshot, "no ref names this snapshot"));
    // Last: without it, the rest of the snapshot might look complete.
    if (record !== null) stale.push(await removable(recordAt, "that snapshot's record"));
  }
  const unused: Deno.DirEntry[] = [];
  for (const entry of await ownEntries(`${path}/blobs`)) {
    const { name, isDirectory } = entry;
    if (isDirectory || PARTIAL.test(name) || used.has(name)) continue;
    // Python's client creates a blob first, then the link to it.
    if (await ageOf(`${path}/blobs/${name}`) < SETTLED) continue;
    unused.push(entry);
    stale.push(await removable(`${path}/blobs/${name}`, "no snapshot uses this blob"));
  }
  return [...stale, ...await unsharedThen(folder, unused)];
}

/** Files that Python's client shares between models, and that no model uses once these blobs are removed. */
async function unsharedThen({ path }: ModelFolder, blobs: readonly Deno.DirEntry[]): Promise<Removable[]> {
  const links = new Set(
    blobs.filter(({ isSymlink }) => isSymlink).map(({ name }) => `${path}/blobs/${name}`),
  );
  if (links.size === 0) return [];
  const hub = folderOf(path);
  const uses = await sharedBlobUses(hub, (link) => links.has(link));
  const shared = await Promise.all([...links].map((link) => sharedBlob(hub, link)));
  const unused = new Set(shared.flatMap((one) => one === null || uses.has(one.path) ? [] : [one.path]));
  return await Promise.all([...unused].map((one) => removable(one, SHARED)));
}

const SHARED = "a shared blob that no other model uses";

/** Names of the blobs that a snapshot links to, including missing ones. */
async function blobsOf(snapshot: string): Promise<string[]> {
  const links = (await Array.fromAsync(entriesBelow(snapshot))).filter((entry) => entry.isSymlink);
  return await Promise.all(links.map(async ({ path }) => nameOf(await Deno.readLink(`${snapshot}/${path}`))));
}

/** Device and inode of files with hard links outside of a folder: removing them frees nothing. */
async function sharedFiles(folder: string): Promise<Set<string>> {
  const links = new Map<string, { here: number; all: number }>();
  for await (const { path, isDirectory } of entriesBelow(folder)) {
    const info = isDirectory ? null : await lstatOrNull(`${folder}/${path}`);
    if (info === null || (info.nlink ?? 1) === 1) continue;
    const key = `${info.dev}:${info.ino}`;
    links.set(key, { here: (links.get(key)?.here ?? 0) + 1, all: info.nlink ?? 1 });
  }
  return new Set([...links].filter(([, { here, all }]) => here < all).map(([key]) => key));
}

/** Milliseconds after which an unused blob is not part of a running download. */
const SETTLED = 60_000;

/** Milliseconds after its last write for which another program's partial file is a running download. */
const FRESH = 10 * 60_000;

/**
 * Who is downloading into a folder. Python's client takes no lease: recent partial files are its downloads.
 */
async function downloaderOf(model: ModelFolder): Promise<string | null> {
  const holder = await liveHolder(model.path);
  if (holder !== null) return holder;
  const folder = model.layout === "hub" ? `${model.path}/blobs` : `${model.path}/.cache/huggingface/download`;
  for await (const { path } of entriesBelow(folder)) {
    if (!path.endsWith(".incomplete") || /\.aim-[0-9a-f]{8}\.incomplete$/.test(path)) continue;
    const age = await ageOf(`${folder}/${path}`);
    if (age < FRESH) return `another program, which wrote ${folder}/${path} ${Math.round(age / 1000)} s ago,`;
  }
  return null;
}

async function ageOf(path: string): Promise<number> {
  return Date.now() - ((await lstatOrNull(path))?.mtime?.getTime() ?? 0);
}

/** @throws {AimError} `usage` if a model's folder contains other models. */
async function refuseNested({ path, layout, name }: ModelFolder): Promise<void> {
  if (layout !== "local" || name.includes("/")) return;
  for (const inner of await readableEntries(path)) {
    if (!inner.isDirectory || !await hasRecords(`${path}/${inner.name}`)) continue;
    throw new AimError("usage", `the model ${name}/${inner.name} is in ${path}, and would be removed too`, {
      hint: `remove ${name}/${inner.name} first`,
    });
  }
}

/** The cache that contains a model's folder. */
function baseOf({ path, layout, name }: ModelFolder): string {
  return layout === "local" ? path.slice(0, -name.length - 1) : folderOf(path);
}

/** Empties a folder so that what is left never looks like a complete model. Keeps the lease until the end. */
async function removeContents({ path, layout }: ModelFolder): Promise<void> {
  const unfinished = `${path}/${UNFINISHED}`;
  if (layout === "local" && (await lstatOrNull(unfinished))?.isFile !== true) {
    await removeAny(unfinished);
    writeFile(filesBelow(path), unfinished, "");
  }
  if (layout === "hub") await removeAny(`${path}/refs`);
  for (const { name } of await entriesOf(path)) {
    if (name !== AIM_FOLDER && name !== "lost+found") await removeAny(`${path}/${name}`);
  }
  for (const { name } of await entriesOf(`${path}/${AIM_FOLDER}`)) {
    if (!name.startsWith("lock")) await removeAny(`${path}/${AIM_FOLDER}/${name}`);
  }
}

/**
 * Removes the empty folder, and its organisation's if that is empty too. Keeps a mount point, and a folder in
 * which a download has started.
 */
async function removeEmpty({ path, layout, name }: ModelFolder): Promise<void> {
  const parents = layout === "local" && name.includes("/") ? [folderOf(path)] : [];
  for (const folder of [`${path}/${AIM_FOLDER}`, path, ...parents]) {
    try {
      await Deno.remove(folder);
    } catch (error) {
      if (!isAbsence(error)) return;
    }
  }
}

async function removeAny(path: string): Promise<void> {
  try {
    // Does not follow links.
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!isAbsence(error)) throw errorFrom(error, `removing ${path}`);
  }
}
