import { partFault } from "../sources/safe_path.ts";
import { cacheRoots } from "./cache_paths.ts";
import {
  entriesOf,
  isBookkeeping,
  listFiles,
  listTree,
  lstatOrNull,
  ownEntries,
  readableEntries,
  statOrNull,
} from "./files.ts";
import { diskUse } from "./inspect_disk.ts";
import { lastUsedOf } from "./last_used.ts";
import { AIM_FOLDER, MANIFEST, snapshotRecord } from "./layout.ts";
import { strayLinks } from "./links.ts";
import { sharedBlobsOf } from "./shared_blobs.ts";
import { readRecord } from "./record.ts";
import { commitOf, lookHub, lookLocal } from "./resolve_model.ts";
import type { CachePaths, LayoutName, PlaceLookedAt } from "./types.ts";

/** A model in a cache: a local directory, or a snapshot. */
export interface ListedModel {
  /** `org/model`. */
  readonly name: string;
  readonly layout: LayoutName;
  /** Branches or tags; `null` if unknown. */
  readonly revision: string | null;
  readonly commit: string | null;
  /** The model directory, or the snapshot. */
  readonly path: string;
  /** `unverified`: complete by its contents, but without a record of the download. */
  readonly state: "complete" | "partial" | "damaged" | "unverified";
  readonly reason: string;
  readonly files: number;
  /** Bytes of its files. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number | null;
}

/** A model's folder with all its snapshots, and its disk space. */
export interface ListedFolder extends ModelFolder {
  /** Like `du`. */
  readonly diskBytes: number;
  readonly models: readonly ListedModel[];
}

/** Lists the models of both layouts. Does not follow links out of the cache. */
export async function listModels(paths: CachePaths): Promise<ListedFolder[]> {
  const seen = new Set<string>();
  const folders: ListedFolder[] = [];
  for (const folder of await localFolders(paths)) folders.push(await listLocal(paths, folder, seen));
  for (const folder of await hubFolders(paths)) folders.push(await listHub(paths, folder, seen));
  return folders;
}

/** A model's folder in a layout. */
export interface ModelFolder {
  readonly name: string;
  readonly layout: LayoutName;
  readonly path: string;
}

/** Folders of local models, one or two levels below the cache's root. */
export async function localFolders(paths: CachePaths): Promise<ModelFolder[]> {
  const found: ModelFolder[] = [];
  for (const first of await entriesOf(paths.root)) {
    const path = `${paths.root}/${first.name}`;
    if (!isOwn(first)) continue;
    // An organisation may be called "hub", like the folder of the Hugging Face cache.
    const isHub = path === paths.hub || path === `${paths.hfHome}/hub`;
    const isModel = !isHub && await looksLikeModel(path);
    if (isModel) found.push({ name: first.name, layout: "local", path });
    for (const second of await readableEntries(path)) {
      const inner = `${path}/${second.name}`;
      if (isHub && second.name === "blobs") continue;
      // A model's own folders may look like models.
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

/** True if aim has downloaded into a folder. */
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

async function listLocal(paths: CachePaths, folder: ModelFolder, seen: Set<string>): Promise<ListedFolder> {
  const { path } = folder;
  const [place, record, disk, used, sizes] = await Promise.all([
    lookLocal(path, undefined, cacheRoots(paths)),
    readRecord(`${path}/${MANIFEST}`),
    diskUse(path, seen),
    lastUsedOf(path),
    sizesOf(paths, path),
  ]);
  const model: ListedModel = {
    ...folder,
    revision: record?.revision ?? null,
    commit: record?.commit ?? null,
    state: stateOf(place, record !== null),
    reason: place.reason,
    ...sizes,
    lastUsed: used ?? disk.lastUsed,
  };
  return { ...folder, diskBytes: disk.bytes, models: [model] };
}

async function listHub(paths: CachePaths, folder: ModelFolder, seen: Set<string>): Promise<ListedFolder> {
  const { name, path } = folder;
  const disk = await diskUse(path, seen);
  const lastUsed = await lastUsedOf(path) ?? disk.lastUsed;
  // Python's client shares files between models: they count for the first one.
  const shared = await Promise.all(
    [...(await sharedBlobsOf(paths.hub, path)).values()].map((one) => diskUse(one, seen, true)),
  );
  const diskBytes = shared.reduce((sum, { bytes }) => sum + bytes, disk.bytes);
  const revisions = await revisionsOf(path);
  const models: ListedModel[] = [];
  for (const { name: commit, isDirectory } of await ownEntries(`${path}/snapshots`)) {
    if (!isDirectory) continue;
    const named = revisions.filter((one) => one.commit === commit).map((one) => one.revision);
    const { place } = await lookHub(paths, name, commit);
    const recorded = await statOrNull(snapshotRecord(path, commit)) !== null;
    models.push({
      ...folder,
      revision: named.length === 0 ? null : named.join(", "),
      commit,
      path: `${path}/snapshots/${commit}`,
      state: stateOf(place, recorded),
      reason: place.reason,
      ...await sizesOf(paths, `${path}/snapshots/${commit}`),
      lastUsed,
    });
  }
  if (models.length === 0) {
    const nothing = { revision: null, commit: null, files: 0, bytes: 0, lastUsed };
    models.push({ ...folder, ...nothing, state: "partial", reason: "it has no snapshot" });
  }
  return { ...folder, diskBytes, models };
}

function stateOf({ state }: PlaceLookedAt, recorded: boolean): ListedModel["state"] {
  if (state === "complete") return recorded ? "complete" : "unverified";
  return state === "damaged" ? "damaged" : "partial";
}

/** The refs of a model's folder. */
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

/** Counts a model's files, without those outside of the cache. */
async function sizesOf(paths: CachePaths, path: string): Promise<{ files: number; bytes: number }> {
  const { files, links } = await listTree(path, { skip: isBookkeeping });
  const strays = strayLinks(path, links, cacheRoots(paths));
  const sizes = strays.has("")
    ? []
    : [...files].filter(([name]) => !strays.has(name)).map(([, size]) => size);
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}
