import { leaseHolder, withLease } from "../transfer/lease/lease.ts";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import { filesBelow } from "../os/files_below.ts";
import { makeDirectories } from "../os/make_directories.ts";
import { writeFile } from "../os/write_file.ts";
import { isAbsence, listFiles, lstatOrNull } from "./files.ts";
import { diskUse, entriesOf, ownEntries, readableEntries } from "./inspect_disk.ts";
import { AIM_FOLDER, MANIFEST, snapshotRecord, UNFINISHED } from "./layout.ts";
import { hasRecords, hubFolders, localFolders, type ModelFolder, revisionsOf } from "./list_models.ts";
import { readRecord, recordOf } from "./record.ts";
import { removeSharedBlob, sharedBlob, sharedBlobUses } from "./shared_blobs.ts";
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
  await refuseNested(folder);
  const { bytes } = await diskUse(folder.path, await sharedFiles(folder.path));
  const removables = [{ path: folder.path, why: "the model", bytes }];
  if (folder.layout === "hub") {
    removables.push(...await unsharedThen(folder, await ownEntries(`${folder.path}/blobs`)));
  }
  return { folder, whole: true, removables, busy: await holderOf(folder) };
}

/**
 * What nobody needs: partial downloads, blobs that no snapshot uses, snapshots that no ref names (one that was downloaded by its commit
 * stays). Nothing of a folder that a download is at work in.
 */
export async function planPrune(paths: CachePaths): Promise<RemovalPlan[]> {
  const plans: RemovalPlan[] = [];
  for (const folder of [...await localFolders(paths), ...await hubFolders(paths)]) {
    try {
      const removables = await staleOf(folder);
      if (removables.length === 0) continue;
      plans.push({ folder, whole: false, removables, busy: await holderOf(folder) });
    } catch (error) {
      if (!(error instanceof AimError)) throw error;
      log.warn(`${folder.name} is skipped: ${error.message}`);
    }
  }
  return plans;
}

/**
 * Carries a plan out under the model's lease, so that no download is disturbed. What has come into use since the plan was made stays.
 * Returns what was removed.
 *
 * @throws {AimError} `no-space` where something cannot be removed.
 */
export async function removePlanned(plan: RemovalPlan, signal: AbortSignal): Promise<readonly Removable[]> {
  const { folder } = plan;
  if (await lstatOrNull(folder.path) === null) return [];
  // The lease is written there: by now a link may stand where the folder was.
  const base = baseOf(folder);
  makeDirectories(base, [`${folder.path}/${AIM_FOLDER}`]);
  const removed = await withLease(folder.path, { signal }, async () => {
    if (plan.whole) {
      await refuseNested(folder);
      await removeContents(folder);
      return await withoutUsed(folder, plan.removables);
    }
    const still = new Set((await staleOf(folder)).map((one) => one.path));
    const stale = plan.removables.filter((one) => still.has(one.path));
    for (const { path, why } of stale) if (why !== SHARED) await removeAny(path);
    return await withoutUsed(folder, stale);
  });
  if (plan.whole) await removeEmpty(folder);
  return removed;
}

/** Removes the shared blobs among these; one that another model has begun to use since is left, and left out. */
async function withoutUsed({ path }: ModelFolder, removed: readonly Removable[]): Promise<Removable[]> {
  const hub = path.slice(0, path.lastIndexOf("/"));
  const done: Removable[] = [];
  for (const one of removed) {
    if (one.why !== SHARED || await removeSharedBlob(hub, one.path)) done.push(one);
  }
  return done;
}

/** A partial file; a name is enough, whoever made it. */
const PARTIAL = /\.incomplete(?:\.parts)?$|\.[0-9a-f]{8}\.tmp$/;
const TEMPORARY = /\.[0-9a-f]{8}\.tmp$/;

async function staleOf(folder: ModelFolder): Promise<Removable[]> {
  if (folder.layout === "hub") return await staleHub(folder);
  const record = await readRecord(`${folder.path}/${MANIFEST}`);
  return await partials(folder, new Set(record?.files.map((file) => file.path)));
}

async function staleHub(folder: ModelFolder): Promise<Removable[]> {
  const { path } = folder;
  const removables = await partials(folder, await recordedInSnapshots(path));
  const revisions = await revisionsOf(path);
  const named = new Set(revisions.map((one) => one.commit));
  const used = new Set<string>();
  for (const { name, isDirectory } of await ownEntries(`${path}/snapshots`)) {
    if (!isDirectory) continue;
    const record = await readRecord(snapshotRecord(path, name));
    if (named.has(name) || named.size === 0 || record?.revision === name) {
      for (const blob of await blobsOf(`${path}/snapshots/${name}`)) used.add(blob);
      for (const file of record?.files ?? []) used.add(file.blob ?? file.etag);
      continue;
    }
    removables.push(await removable(`${path}/snapshots/${name}`, "no ref names this snapshot"));
    removables.push(...await ofSnapshot(path, name));
    // Last: without it, what is left of the snapshot might pass for a whole one.
    if (record !== null) {
      removables.push(await removable(snapshotRecord(path, name), "that snapshot's record"));
    }
  }
  const unused: Deno.DirEntry[] = [];
  for (const entry of await ownEntries(`${path}/blobs`)) {
    const { name, isDirectory } = entry;
    if (isDirectory || PARTIAL.test(name) || used.has(name)) continue;
    const blob = `${path}/blobs/${name}`;
    // Python's client makes a blob first, then the link to it.
    if (await ageOf(blob) < SETTLED) continue;
    removables.push(await removable(blob, "no snapshot uses this blob"));
    unused.push(entry);
  }
  return [...removables, ...await unsharedThen(folder, unused)];
}

/** Files that Python's client shares between models, and that no model uses once these blobs are gone. */
async function unsharedThen(
  { path }: ModelFolder,
  blobs: readonly Deno.DirEntry[],
): Promise<Removable[]> {
  const links = blobs.filter((entry) => entry.isSymlink).map(({ name }) => `${path}/blobs/${name}`);
  if (links.length === 0) return [];
  const hub = path.slice(0, path.lastIndexOf("/"));
  const gone = new Set(links);
  const uses = await sharedBlobUses(hub, (link) => gone.has(link));
  const found = new Map<string, Removable>();
  for (const link of links) {
    const shared = await sharedBlob(hub, link);
    if (shared === null || (uses.get(shared.path) ?? 0) > 0) continue;
    found.set(shared.path, await removable(shared.path, SHARED));
  }
  return [...found.values()];
}

const SHARED = "a shared blob that no other model uses";

/** What Python's client keeps of a snapshot beside it: its listing, and notes of files that it does not have. */
async function ofSnapshot(folder: string, commit: string): Promise<Removable[]> {
  const found: Removable[] = [];
  for (const [aside, name] of [["trees", `${commit}.json`], [".no_exist", commit]] as const) {
    if (!(await ownEntries(`${folder}/${aside}`)).some((entry) => entry.name === name)) continue;
    found.push(await removable(`${folder}/${aside}/${name}`, "what Python keeps of that snapshot"));
  }
  return found;
}

/** Names of the blobs that a snapshot's links name, also of those that are missing. */
async function blobsOf(snapshot: string): Promise<string[]> {
  const found: string[] = [];
  for (const { name, isDirectory, isSymlink } of await entriesOf(snapshot)) {
    const path = `${snapshot}/${name}`;
    if (isDirectory) found.push(...await blobsOf(path));
    else if (isSymlink) found.push((await Deno.readLink(path)).split("/").at(-1) ?? "");
  }
  return found;
}

/** Files of the snapshots that have a record, relative to the model's folder. */
async function recordedInSnapshots(folder: string): Promise<ReadonlySet<string>> {
  const own = new Set<string>();
  for (const { name } of await ownEntries(`${folder}/snapshots`)) {
    for (const { path } of (await readRecord(snapshotRecord(folder, name)))?.files ?? []) {
      own.add(`snapshots/${name}/${path}`);
    }
  }
  return own;
}

/** Partial files, other than the model's own that happen to have such a name. */
async function partials({ path }: ModelFolder, own: ReadonlySet<string>): Promise<Removable[]> {
  const names = [...(await listFiles(path)).keys()].filter((name) =>
    (/(?:^|\/)snapshots\//.test(name) ? TEMPORARY : PARTIAL).test(name) && !own.has(name)
  );
  return await Promise.all(
    names.sort().map((name) => removable(`${path}/${name}`, "an unfinished download")),
  );
}

async function removable(path: string, why: string): Promise<Removable> {
  return { path, why, bytes: (await diskUse(path, new Set())).bytes };
}

/** Files that keep existing through links elsewhere when a folder goes: removing them frees nothing. */
async function sharedFiles(folder: string): Promise<Set<string>> {
  const links = new Map<string, { here: number; all: number }>();
  const walk = async (path: string): Promise<void> => {
    for (const entry of await readableEntries(path)) {
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

/** Who is downloading into a folder; one that died does not count. */
async function holderOf(folder: ModelFolder): Promise<string | null> {
  return await leaseHolderOf(folder) ?? await otherDownload(folder);
}

/** Who holds a folder's lease and is alive. */
async function leaseHolderOf({ path }: ModelFolder): Promise<string | null> {
  const holder = leaseHolder(path);
  if (holder === null) return null;
  const lock = `${path}/${AIM_FOLDER}/lock`;
  const before = await lstatOrNull(lock);
  // A living holder renews it every second.
  for (let waited = 0; waited < 5_000; waited += 250) {
    await new Promise((done) => setTimeout(done, 250));
    const now = await lstatOrNull(lock);
    if (now === null) return null;
    if (now.mtime?.getTime() !== before?.mtime?.getTime() || now.ino !== before?.ino) return holder;
  }
  return null;
}

/** Milliseconds after which a blob that no snapshot uses is nobody's. */
const SETTLED = 60_000;

/** Milliseconds in which another program's partial file counts as under way. */
const FRESH = 10 * 60_000;

/** Python's client takes no lease: its partial files tell by when they were written. */
async function otherDownload({ path, layout }: ModelFolder): Promise<string | null> {
  const folder = layout === "hub" ? `${path}/blobs` : `${path}/.cache/huggingface/download`;
  for (const name of (await listFiles(folder)).keys()) {
    if (!name.endsWith(".incomplete") || /\.aim-[0-9a-f]{8}\.incomplete$/.test(name)) continue;
    const age = await ageOf(`${folder}/${name}`);
    if (age < FRESH) return `another program, which wrote ${folder}/${name} ${Math.round(age / 1000)} s ago,`;
  }
  return null;
}

/** Milliseconds since a file was written. */
async function ageOf(path: string): Promise<number> {
  return Date.now() - ((await lstatOrNull(path))?.mtime?.getTime() ?? 0);
}

/** @throws {AimError} `usage` where other models lie in a model's folder: they would go with it. */
async function refuseNested({ path, layout, name }: ModelFolder): Promise<void> {
  if (layout !== "local" || name.includes("/")) return;
  for (const inner of await readableEntries(path)) {
    if (inner.name === AIM_FOLDER || !inner.isDirectory || !await hasRecords(`${path}/${inner.name}`)) {
      continue;
    }
    throw new AimError("usage", `the model ${name}/${inner.name} lies in ${path}, and would go with it`, {
      hint: `remove ${name}/${inner.name} first`,
    });
  }
}

/** The cache that a model's folder lies in. */
function baseOf({ path, layout, name }: ModelFolder): string {
  return layout === "local" ? path.slice(0, -name.length - 1) : path.replace(/\/[^/]*$/, "");
}

/** Empties a folder so that at no moment what is left passes for a model; the lease lies in it until the end. */
async function removeContents({ path, layout }: ModelFolder): Promise<void> {
  if (layout === "local" && await readRecord(`${path}/${UNFINISHED}`) === null) {
    const nothing = { source: "removed", revision: null, commit: null, files: [] };
    makeDirectories(path, [`${path}/${AIM_FOLDER}`]);
    const record = recordOf(nothing, null, null, new Date());
    await removeAny(`${path}/${UNFINISHED}`);
    writeFile(filesBelow(path), `${path}/${UNFINISHED}`, `${JSON.stringify(record)}\n`);
  }
  if (layout === "hub") await removeAny(`${path}/refs`);
  for (const { name } of await entriesOf(path)) {
    // lost+found belongs to the file system.
    if (name !== AIM_FOLDER && name !== "lost+found") await removeAny(`${path}/${name}`);
  }
  for (const { name } of await entriesOf(`${path}/${AIM_FOLDER}`)) {
    if (!name.startsWith("lock")) await removeAny(`${path}/${AIM_FOLDER}/${name}`);
  }
}

/** Removes the folder, and its organisation's when nothing else is in it. A mount point stays, and what a download has just begun. */
async function removeEmpty({ path, layout, name }: ModelFolder): Promise<void> {
  const parents = layout === "local" && name.includes("/") ? [path.replace(/\/[^/]*$/, "")] : [];
  for (const folder of [`${path}/${AIM_FOLDER}`, path, ...parents]) {
    try {
      await Deno.remove(folder);
    } catch (error) {
      if (isAbsence(error)) continue;
      // The parent of a mount point may belong to someone else.
      if (["ENOTEMPTY", "EBUSY", "EEXIST", "EACCES", "EPERM", "EROFS"].includes(errnoOf(error) ?? "")) return;
      if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.Busy) return;
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
