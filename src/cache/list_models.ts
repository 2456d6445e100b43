import { partFault } from "../sources/safe_path.ts";
import { cacheRoots } from "./cache_paths.ts";
import { isBookkeeping, listFiles, type Listing, listTree, lstatOrNull, statOrNull } from "./files.ts";
import { type DiskUse, diskUse, entriesOf, ownEntries, readableEntries } from "./inspect_disk.ts";
import { lastUsedOf } from "./last_used.ts";
import { AIM_FOLDER, MANIFEST, snapshotRecord } from "./layout.ts";
import { strayLinks } from "./links.ts";
import { sharedBlobsOf } from "./shared_blobs.ts";
import { readRecord } from "./record.ts";
import { commitOf, lookHub, lookLocal } from "./resolve_model.ts";
import type { CachePaths, LayoutName, PlaceLookedAt } from "./types.ts";

/** A model in a cache, or one revision of it. */
export interface ListedModel {
  /** `org/model`. */
  readonly name: string;
  readonly layout: LayoutName;
  /** Branch or tag; `null` where nothing names one. */
  readonly revision: string | null;
  readonly commit: string | null;
  /** The model directory, or the snapshot. */
  readonly path: string;
  /** `unverified`: whole by its contents, but nothing says what it was downloaded as. */
  readonly state: "complete" | "partial" | "damaged" | "unverified";
  readonly reason: string;
  readonly files: number;
  /** Bytes of its files. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number | null;
}

/** A folder of a model with all its revisions, and what it takes on disk. */
export interface ListedFolder {
  readonly name: string;
  readonly layout: LayoutName;
  readonly path: string;
  /** As `du` counts. */
  readonly diskBytes: number;
  readonly models: readonly ListedModel[];
}

/** Lists the models of both layouts. Links out of the cache are not followed. */
export async function listModels(paths: CachePaths): Promise<ListedFolder[]> {
  const seen = new Set<string>();
  const folders: ListedFolder[] = [];
  for (const { name, path } of await localFolders(paths)) {
    folders.push(await localFolder(paths, name, path, seen));
  }
  for (const { name, path } of await hubFolders(paths)) {
    folders.push(await hubFolderOf(paths, name, path, seen));
  }
  return folders;
}

/** A model's folder in a layout. */
export interface ModelFolder {
  readonly name: string;
  readonly layout: LayoutName;
  readonly path: string;
}

/** Folders of local models: one or two levels below the cache's root. */
export async function localFolders(paths: CachePaths): Promise<ModelFolder[]> {
  const found: ModelFolder[] = [];
  for (const first of await entriesOf(paths.root)) {
    const path = `${paths.root}/${first.name}`;
    if (!isOwn(first)) continue;
    // An organisation may be called "hub": its models are beside the Hugging Face cache's own folders.
    const isHub = path === paths.hub || path === `${paths.hfHome}/hub`;
    const isModel = !isHub && await looksLikeModel(path);
    if (isModel) found.push({ name: first.name, layout: "local", path });
    for (const second of await readableEntries(path)) {
      const inner = `${path}/${second.name}`;
      if (isHub && second.name === "blobs") continue;
      // A model's own folders may look like one.
      if (isOwn(second) && (isModel ? await hasRecords(inner) : await looksLikeModel(inner))) {
        found.push({ name: `${first.name}/${second.name}`, layout: "local", path: inner });
      }
    }
  }
  return found;
}

/** Folders of models in the Hugging Face cache. */
export async function hubFolders(paths: CachePaths): Promise<ModelFolder[]> {
  return (await entriesOf(paths.hub)).flatMap((entry) => {
    const name = /^models--(.+)$/.exec(entry.name)?.[1]?.replace("--", "/");
    return name === undefined || !entry.isDirectory || partFault(entry.name) !== null
      ? []
      : [{ name, layout: "hub", path: `${paths.hub}/${entry.name}` }];
  });
}

function isOwn(entry: Deno.DirEntry): boolean {
  return entry.isDirectory && !/^(?:\.|(?:models|datasets|spaces)--)/.test(entry.name) &&
    entry.name !== "lost+found" &&
    partFault(entry.name) === null;
}

/** True for a folder that aim has downloaded into. */
export async function hasRecords(path: string): Promise<boolean> {
  return (await lstatOrNull(`${path}/${AIM_FOLDER}`))?.isDirectory === true;
}

async function looksLikeModel(path: string): Promise<boolean> {
  return (await readableEntries(path)).some(({ name, isDirectory }) =>
    isDirectory
      ? name === AIM_FOLDER
      : /^(?:config|params)\.json$|\.(?:safetensors|bin|pt|pth|gguf)$|\.index\.json$|\.incomplete$/.test(name)
  );
}

async function localFolder(
  paths: CachePaths,
  name: string,
  path: string,
  seen: Set<string>,
): Promise<ListedFolder> {
  const [place, record, listing, disk, used] = await Promise.all([
    lookLocal(path, undefined, cacheRoots(paths)),
    readRecord(`${path}/${MANIFEST}`),
    listTree(path, { skip: isBookkeeping }),
    diskUse(path, seen),
    lastUsedOf(path),
  ]);
  const model: ListedModel = {
    name,
    layout: "local",
    revision: record?.revision ?? null,
    commit: record?.commit ?? null,
    path,
    state: stateOf(place, record !== null),
    reason: place.reason,
    ...sumOf(paths, path, listing),
    lastUsed: used ?? disk.lastUsed,
  };
  return { name, layout: "local", path, diskBytes: disk.bytes, models: [model] };
}

async function hubFolderOf(
  paths: CachePaths,
  name: string,
  path: string,
  seen: Set<string>,
): Promise<ListedFolder> {
  const use = await diskUse(path, seen);
  const disk = { ...use, lastUsed: await lastUsedOf(path) ?? use.lastUsed };
  // Python's client shares files between models: they count with the first.
  const shared = await Promise.all(
    [...(await sharedBlobsOf(paths.hub, path)).values()].map((one) => diskUse(one, seen, true)),
  );
  const diskBytes = shared.reduce((sum, { bytes }) => sum + bytes, disk.bytes);
  const revisions = await revisionsOf(path);
  const models: ListedModel[] = [];
  for (const snapshot of await ownEntries(`${path}/snapshots`)) {
    if (!snapshot.isDirectory) continue;
    const named = revisions.filter((one) => one.commit === snapshot.name).map((one) => one.revision);
    models.push(await hubModel(paths, name, path, snapshot.name, named, disk));
  }
  if (models.length === 0) {
    const rest = { files: 0, bytes: 0, lastUsed: disk.lastUsed };
    const reason = "there is no snapshot";
    models.push({
      name,
      layout: "hub",
      revision: null,
      commit: null,
      path,
      state: "partial",
      reason,
      ...rest,
    });
  }
  return { name, layout: "hub", path, diskBytes, models };
}

async function hubModel(
  paths: CachePaths,
  name: string,
  path: string,
  commit: string,
  named: readonly string[],
  disk: DiskUse,
): Promise<ListedModel> {
  const snapshot = `${path}/snapshots/${commit}`;
  const { place } = await lookHub(paths, name, commit);
  const recorded = await statOrNull(snapshotRecord(path, commit)) !== null;
  return {
    name,
    layout: "hub",
    revision: named.length === 0 ? null : named.join(", "),
    commit,
    path: snapshot,
    state: stateOf(place, recorded),
    reason: place.reason,
    ...sumOf(paths, snapshot, await listTree(snapshot)),
    lastUsed: disk.lastUsed,
  };
}

function stateOf({ state }: PlaceLookedAt, recorded: boolean): ListedModel["state"] {
  if (state === "complete") return recorded ? "complete" : "unverified";
  return state === "damaged" ? "damaged" : "partial";
}

/** What the refs of a model's folder name. */
export async function revisionsOf(path: string): Promise<{ revision: string; commit: string }[]> {
  const found: { revision: string; commit: string }[] = [];
  const refs = `${path}/refs`;
  const names = (await lstatOrNull(refs))?.isDirectory ? (await listFiles(refs)).keys() : [];
  for (const revision of names) {
    const commit = await commitOf(path, revision);
    if (commit !== null) found.push({ revision, commit });
  }
  return found.sort((a, b) => a.revision < b.revision ? -1 : 1);
}

/** Files that lie in the cache. */
function sumOf(paths: CachePaths, path: string, { files, links }: Listing): { files: number; bytes: number } {
  const strays = strayLinks(path, links, cacheRoots(paths));
  const sizes = strays.has("")
    ? []
    : [...files].filter(([name]) => !strays.has(name)).map(([, size]) => size);
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}
