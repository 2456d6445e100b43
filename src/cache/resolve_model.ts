import { AimError } from "../errors/aim_error.ts";
import { assertRevision } from "../sources/model_ref.ts";
import { cacheRoots, hubFolder } from "./cache_paths.ts";
import { isBookkeeping, listFiles, listTree, readTextOrNull, statOrNull } from "./files.ts";
import { judgeFiles, type Judgement, judgeRecorded } from "./judge_files.ts";
import { isCommit, MANIFEST, snapshotRecord, UNFINISHED } from "./layout.ts";
import { strayInWords, strayLinks } from "./links.ts";
import { checkLocalName } from "./local_name.ts";
import { DOWNLOADS, readMetadata } from "./python_metadata.ts";
import { readRecord } from "./record.ts";
import type { CachePaths, PlaceLookedAt, Resolution } from "./types.ts";

/** What to look for. */
export interface ResolveOptions {
  readonly paths: CachePaths;
  /** Local name, `org/model`. */
  readonly name: string;
  /** Branch, tag or commit. @default {"main"; a local directory of any revision} */
  readonly revision?: string;
}

/**
 * Finds where serving gets a model from: the local directory, else the Hugging Face cache. Only a whole model counts; for every place
 * looked at the result says what it found.
 *
 * @throws {AimError} `usage` for a name that leads out of the cache.
 */
export async function resolveModel(options: ResolveOptions): Promise<Resolution> {
  const { paths, name, revision } = options;
  checkLocalName(name);
  if (revision !== undefined) assertRevision(revision);
  const local = await lookLocal(`${paths.root}/${name}`, revision, cacheRoots(paths));
  if (local.state === "complete") return { kind: "path", path: local.path, name, looked: [local] };
  const { place, snapshot } = await lookHub(paths, name, revision ?? "main");
  const looked = [local, place];
  if (snapshot === null) return { kind: "missing", looked };
  return {
    kind: "hub",
    id: name,
    snapshot,
    revision: revision ?? "main",
    env: hubEnvironment(paths),
    looked,
  };
}

/** What makes HF libraries find this cache, and ask no network for what is in it. */
export function hubEnvironment(paths: CachePaths): Record<string, string> {
  const { hub, hfHome } = paths;
  return { HF_HOME: hfHome, ...(hub === `${hfHome}/hub` ? {} : { HF_HUB_CACHE: hub }), HF_HUB_OFFLINE: "1" };
}

/**
 * Judges a local directory.
 *
 * @param roots Where its links may lead.
 */
export async function lookLocal(
  path: string,
  revision: string | undefined,
  roots: readonly string[],
): Promise<PlaceLookedAt> {
  const judged = await readable(() => judgeLocal(path, revision, roots));
  return { layout: "local", path, state: judged.state, reason: judged.reason };
}

/** A place that cannot be read is one that is not served from; the next one may do. */
async function readable(judge: () => Promise<Judgement>): Promise<Judgement> {
  try {
    return await judge();
  } catch (error) {
    if (!(error instanceof AimError)) throw error;
    return { state: "partial", reason: `it cannot be read (${error.message})` };
  }
}

async function judgeLocal(
  path: string,
  revision: string | undefined,
  roots: readonly string[],
): Promise<Judgement> {
  const info = await statOrNull(path);
  if (info === null) return { state: "absent", reason: "there is no such directory" };
  if (!info.isDirectory) return { state: "absent", reason: "it is not a directory" };
  const { files, links } = await listTree(path, { skip: isBookkeeping });
  const stray = strayInWords(strayLinks(path, links, roots));
  if (stray !== null) return { state: "partial", reason: stray };
  if (await statOrNull(`${path}/${UNFINISHED}`) !== null) {
    return { state: "partial", reason: "its download is not finished" };
  }
  const record = await readRecord(`${path}/${MANIFEST}`);
  if (record !== null) {
    if (revision !== undefined && ![record.revision, record.commit].includes(revision)) {
      return {
        state: "absent",
        reason: `it holds revision ${record.revision ?? record.commit}, not ${revision}`,
      };
    }
    return await judgeRecorded(record.files, files, (name) => readTextOrNull(`${path}/${name}`));
  }
  if (revision !== undefined) {
    return {
      state: "absent",
      reason: `it does not say which revision it holds, and ${revision} is asked for`,
    };
  }
  const unfinished = await unfinishedByPython(path);
  if (unfinished !== null) return { state: "partial", reason: `a download is unfinished (${unfinished})` };
  return await judgeFiles(files, (name) => readTextOrNull(`${path}/${name}`));
}

/**
 * A partial file of Python's client in a local directory, `.cache/huggingface/download/….<etag>[.<8 hex>].incomplete`, whose file has not
 * arrived: none has metadata with that ETag.
 */
async function unfinishedByPython(directory: string): Promise<string | null> {
  const folder = `${directory}/${DOWNLOADS}`;
  const names = [...(await listFiles(folder)).keys()];
  const partial = names.filter((name) => name.endsWith(".incomplete")).sort();
  if (partial.length === 0) return null;
  const arrived = new Set<string | undefined>();
  for (const name of names.filter((one) => one.endsWith(".metadata"))) {
    const path = name.slice(0, -".metadata".length);
    arrived.add((await readMetadata(directory, path))?.etag);
  }
  const left = partial.find((name) =>
    !name.slice(name.lastIndexOf("/") + 1).split(".").some((part) => arrived.has(part))
  );
  return left === undefined ? null : `${DOWNLOADS}/${left}`;
}

/** Judges the Hugging Face cache's snapshot of a revision. */
export async function lookHub(
  paths: CachePaths,
  name: string,
  revision: string,
): Promise<{ place: PlaceLookedAt; snapshot: string | null }> {
  const folder = hubFolder(paths, name);
  let path = folder;
  const { state, reason } = await readable(async () => {
    if (await statOrNull(folder) === null) return { state: "absent", reason: "there is no such directory" };
    const commit = await commitOf(folder, revision);
    if (commit === null) {
      const there = await statOrNull(`${folder}/refs/${revision}`) !== null;
      const why = `refs/${revision} ${there ? "holds something else than a commit" : "is missing"}`;
      return { state: "absent", reason: `it has no revision ${revision} (${why})` };
    }
    path = `${folder}/snapshots/${commit}`;
    return await judgeSnapshot(folder, path, commit, cacheRoots(paths));
  });
  return { place: { layout: "hub", path, state, reason }, snapshot: state === "complete" ? path : null };
}

/**
 * The commit that a revision names in a model's folder of the Hugging Face cache; `null` where it names none. Python takes a ref's text as
 * it is: with a line break it names nothing.
 */
export async function commitOf(folder: string, revision: string): Promise<string | null> {
  const ref = await readTextOrNull(`${folder}/refs/${revision}`);
  if (ref !== null && isCommit(ref)) return ref;
  const itself = isCommit(revision) && await statOrNull(`${folder}/snapshots/${revision}`) !== null;
  return itself ? revision : null;
}

async function judgeSnapshot(
  folder: string,
  snapshot: string,
  commit: string,
  roots: readonly string[],
): Promise<Judgement> {
  const record = await readRecord(snapshotRecord(folder, commit));
  if (await statOrNull(snapshot) === null) {
    return record === null ? { state: "absent", reason: "the snapshot is not there" } : {
      state: "partial",
      reason: "the snapshot's links are not there: what copied it here leaves links out",
    };
  }
  const { files, links } = await listTree(snapshot);
  const stray = strayInWords(strayLinks(snapshot, links, roots));
  if (stray !== null) return { state: "partial", reason: stray };
  const read = (name: string) => readTextOrNull(`${snapshot}/${name}`);
  if (record !== null) return await judgeRecorded(record.files, files, read);
  const unfinished = await unfinishedBlob(folder);
  if (unfinished !== null) {
    return { state: "partial", reason: `a download is unfinished (blobs/${unfinished})` };
  }
  const sizes = await sizesByPython(folder, commit);
  for (const [path, size] of files) {
    const expected = sizes.get(path);
    if (expected === undefined || expected === size) continue;
    return { state: "partial", reason: `${path} has ${size} bytes instead of ${expected}` };
  }
  return await judgeFiles(files, read);
}

/**
 * What Python's client noted of a commit's files, by path in bytes: `trees/<commit>.json` (`_tree_cache.py`), of all files, also of those
 * that nobody asked for.
 */
async function sizesByPython(folder: string, commit: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  try {
    const { files } = JSON.parse(await readTextOrNull(`${folder}/trees/${commit}.json`) ?? "{}");
    for (const [path, file] of Object.entries(files ?? {})) {
      const { size } = file as { size?: unknown };
      if (typeof size === "number") sizes.set(path, size);
    }
  } catch (error) {
    if (error instanceof AimError) throw error;
    // Not as this version of it is written: then it says nothing.
  }
  return sizes;
}

/** A partial file whose blob is not there. */
async function unfinishedBlob(folder: string): Promise<string | null> {
  const names = new Set((await listFiles(`${folder}/blobs`)).keys());
  return names.values().find((name) =>
    name.endsWith(".incomplete") && !names.has(name.slice(0, name.indexOf(".")))
  ) ?? null;
}
