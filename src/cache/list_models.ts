import { nearest } from "../config/nearest.ts";
import { AimError } from "../errors/aim_error.ts";
import { partFault } from "../sources/safe_path.ts";
import { cacheRoots } from "./cache_paths.ts";
import { entriesOf, listFiles, listTree, lstatOrNull, ownEntries, readableEntries, sumOf } from "./files.ts";
import { diskUse } from "./inspect_disk.ts";
import { lastUsedOf } from "./last_used.ts";
import { AIM_FOLDER, recordPath } from "./layout.ts";
import { sharedBlobsOf } from "./shared_blobs.ts";
import { readRecord } from "./record.ts";
import { commitOf, lookAt } from "./resolve_model.ts";
import type { CachePaths, LayoutName } from "./types.ts";

/** A model in a cache: a local directory, or a snapshot. */
export interface ListedModel {
  readonly name: string;
  readonly layout: LayoutName;
  /** Branches or tags; `null` if unknown. */
  readonly revision: string | null;
  readonly commit: string | null;
  /** The local directory, or the snapshot. */
  readonly path: string;
  /** `unverified`: complete by its contents, but without a record of the download. */
  readonly state: "complete" | "partial" | "damaged" | "unverified";
  readonly reason: string;
  readonly files: number;
  /** Bytes of its files. */
  readonly bytes: number;
}

/** A model's folder with all its snapshots, and its disk space. */
export interface ListedFolder extends ModelFolder {
  /** Like `du`. */
  readonly diskBytes: number;
  /** Milliseconds since 1970; `null` if unknown. */
  readonly lastUsed: number | null;
  readonly models: readonly ListedModel[];
}

/** Lists the models of both layouts. */
export async function listModels(paths: CachePaths): Promise<ListedFolder[]> {
  const seen = new Set<string>();
  const folders: ListedFolder[] = [];
  for (const folder of [...await localFolders(paths), ...await hubFolders(paths)]) {
    const { path, layout } = folder;
    const disk = await diskUse(path, seen);
    const lastUsed = await lastUsedOf(path) ?? disk.lastUsed;
    try {
      // Files that Python's client shares between models count for the first one.
      const shared = layout === "local" ? [] : [...(await sharedBlobsOf(paths.hfHubCache, path)).values()];
      const sizes = await Promise.all(shared.map((one) => diskUse(one, seen, true)));
      const diskBytes = disk.bytes + sumOf(sizes.map(({ bytes }) => bytes));
      folders.push({ ...folder, diskBytes, lastUsed, models: await modelsOf(folder, cacheRoots(paths)) });
    } catch (error) {
      if (!(error instanceof AimError)) throw error;
      // The other models are still listed.
      const reason = `it cannot be read (${error.message})`;
      const model = { ...folder, ...NOTHING, state: "damaged", reason } as const;
      folders.push({ ...folder, diskBytes: disk.bytes, lastUsed, models: [model] });
    }
  }
  return folders;
}

const NOTHING = { revision: null, commit: null, files: 0, bytes: 0 } as const;

export interface ModelFolder {
  readonly name: string;
  readonly layout: LayoutName;
  readonly path: string;
}

/** Folders of local models, one or two levels below the cache's root. */
export async function localFolders(paths: CachePaths): Promise<ModelFolder[]> {
  const found: ModelFolder[] = [];
  for (const first of await entriesOf(paths.cachePath)) {
    const path = `${paths.cachePath}/${first.name}`;
    if (!isOwn(first)) continue;
    // An organisation may be called "hub", like the folder of the Hugging Face cache.
    const isHub = path === paths.hfHubCache || path === `${paths.hfHome}/hub`;
    const isModel = !isHub && await looksLikeModel(path);
    if (isModel) found.push({ name: first.name, layout: "local", path });
    for (const second of await readableEntries(path)) {
      const inner = `${path}/${second.name}`;
      if (isHub && second.name === "blobs") continue;
      // A model's subfolders may look like models.
      if (isOwn(second) && (isModel ? await hasRecords(inner) : await looksLikeModel(inner))) {
        found.push({ name: `${first.name}/${second.name}`, layout: "local", path: inner });
      }
    }
  }
  return found;
}

export async function hubFolders(paths: CachePaths): Promise<ModelFolder[]> {
  return (await entriesOf(paths.hfHubCache)).flatMap((entry) => {
    const name = /^models--(.+)$/.exec(entry.name)?.[1]?.replace("--", "/");
    return name === undefined || !entry.isDirectory || partFault(entry.name) !== null
      ? []
      : [{ name, layout: "hub", path: `${paths.hfHubCache}/${entry.name}` }];
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

/** A local model, or the snapshots of a folder in the Hugging Face cache. */
async function modelsOf(folder: ModelFolder, roots: readonly string[]): Promise<ListedModel[]> {
  if (folder.layout === "local") return [await listed(folder, roots)];
  const revisions = await revisionsOf(folder.path);
  const models: ListedModel[] = [];
  for (const { name: commit, isDirectory } of await ownEntries(`${folder.path}/snapshots`)) {
    if (!isDirectory) continue;
    const own = revisions.filter((one) => one.commit === commit).map((one) => one.revision);
    const path = `${folder.path}/snapshots/${commit}`;
    const model = await listed({ ...folder, path }, roots);
    models.push({ ...model, revision: own.join(", ") || null, commit });
  }
  if (models.length > 0) return models;
  return [{ ...folder, ...NOTHING, state: "partial", reason: "it has no snapshot" }];
}

/** Judges a model, and counts its files without those outside of the cache. */
async function listed(model: ModelFolder, roots: readonly string[]): Promise<ListedModel> {
  const { state, reason } = await lookAt(model, roots);
  const record = await readRecord(recordPath(model));
  const { files, strays } = await listTree(model.path, roots);
  const sizes = [...files].filter(([name]) => !strays.has("") && !strays.has(name)).map(([, size]) => size);
  const shown = state === "absent" ? "partial" : state;
  const { revision = null, commit = null } = record ?? {};
  return {
    ...model,
    revision,
    commit,
    state: shown === "complete" && record === null ? "unverified" : shown,
    reason,
    files: sizes.length,
    bytes: sumOf(sizes),
  };
}

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

/** The names of all models in the caches, complete or not, sorted. */
export async function namesInCache(paths: CachePaths): Promise<string[]> {
  const folders = await Promise.all([localFolders(paths), hubFolders(paths)]);
  return [...new Set(folders.flat().map((one) => one.name))].sort();
}

/** A cached model whose name differs only in upper and lower case: to the hub, both are the same model. */
export async function sameButForCase(paths: CachePaths, name: string): Promise<string | null> {
  const lower = name.toLowerCase();
  return (await namesInCache(paths)).find((one) => one !== name && one.toLowerCase() === lower) ?? null;
}

/** The cached model that a mistyped name probably means. */
export async function nearestInCache(paths: CachePaths, name: string): Promise<string | null> {
  return nearest(name, (await namesInCache(paths)).filter((one) => one !== name));
}
