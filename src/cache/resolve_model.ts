import { errorFrom } from "../errors/mod.ts";
import { assertRevision } from "../sources/mod.ts";
import { hubFolder } from "./cache_paths.ts";
import { isAbsence, isBookkeeping, listFiles, readTextOrNull, statOrNull } from "./files.ts";
import { snapshotRecord } from "./hub_placement.ts";
import { judgeFiles, type Judgement } from "./judge_files.ts";
import { checkLocalName } from "./local_name.ts";
import { MANIFEST, UNFINISHED } from "./local_placement.ts";
import { type ModelRecord, readRecord } from "./record.ts";
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
  const local = await lookLocal(`${paths.root}/${name}`, revision);
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

/** Judges a local directory. */
export async function lookLocal(path: string, revision?: string): Promise<PlaceLookedAt> {
  const judged = await judgeLocal(path, revision);
  return { layout: "local", path, state: judged.state, reason: judged.reason };
}

async function judgeLocal(path: string, revision: string | undefined): Promise<Judgement> {
  const info = await statOrNull(path);
  if (info === null) return { state: "absent", reason: "there is no such directory" };
  if (!info.isDirectory) return { state: "absent", reason: "it is not a directory" };
  if (await statOrNull(`${path}/${UNFINISHED}`) !== null) {
    return { state: "partial", reason: "its download is not finished" };
  }
  const files = await listFiles(path, { skip: isBookkeeping });
  const record = await readRecord(`${path}/${MANIFEST}`);
  if (record !== null) {
    if (revision !== undefined && ![record.revision, record.commit].includes(revision)) {
      return {
        state: "absent",
        reason: `it holds revision ${record.revision ?? record.commit}, not ${revision}`,
      };
    }
    const fault = faultOf(record, files);
    if (fault !== null) return { state: "partial", reason: fault };
  } else if (revision !== undefined) {
    return {
      state: "absent",
      reason: `it does not say which revision it holds, and ${revision} is asked for`,
    };
  }
  if (files.size === 0) return { state: "absent", reason: "the directory is empty" };
  return await judgeFiles(files, (name) => readTextOrNull(`${path}/${name}`));
}

/** Judges the Hugging Face cache's snapshot of a revision. */
export async function lookHub(
  paths: CachePaths,
  name: string,
  revision: string,
): Promise<{ place: PlaceLookedAt; snapshot: string | null }> {
  const folder = hubFolder(paths, name);
  const at = (state: PlaceLookedAt["state"], reason: string, path = folder): PlaceLookedAt => ({
    layout: "hub",
    path,
    state,
    reason,
  });
  if (await statOrNull(folder) === null) {
    return { place: at("absent", "there is no such directory"), snapshot: null };
  }
  const commit = await commitOf(folder, revision);
  if (commit === null) {
    return {
      place: at("absent", `it has no revision ${revision} (refs/${revision} is missing)`),
      snapshot: null,
    };
  }
  const snapshot = `${folder}/snapshots/${commit}`;
  const judged = await judgeSnapshot(folder, snapshot, commit);
  const place = at(judged.state, judged.reason, snapshot);
  return { place, snapshot: judged.state === "complete" ? snapshot : null };
}

/** The commit that a revision names in a model's folder of the Hugging Face cache; `null` where it names none. */
export async function commitOf(folder: string, revision: string): Promise<string | null> {
  const ref = (await readTextOrNull(`${folder}/refs/${revision}`))?.trim();
  if (ref !== undefined && /^[0-9a-f]{40}$/.test(ref)) return ref;
  const itself = /^[0-9a-f]{40}$/.test(revision) &&
    await statOrNull(`${folder}/snapshots/${revision}`) !== null;
  return itself ? revision : null;
}

async function judgeSnapshot(folder: string, snapshot: string, commit: string): Promise<Judgement> {
  if (await statOrNull(snapshot) === null) return { state: "absent", reason: "the snapshot is not there" };
  const files = await listFiles(snapshot);
  const record = await readRecord(snapshotRecord(folder, commit));
  if (record !== null) {
    const fault = faultOf(record, files);
    if (fault !== null) return { state: "partial", reason: fault };
  } else {
    const unfinished = await unfinishedBlob(folder);
    if (unfinished !== null) {
      return { state: "partial", reason: `a download is unfinished (blobs/${unfinished})` };
    }
  }
  if (files.size === 0) return { state: "absent", reason: "the snapshot is empty" };
  return await judgeFiles(files, (name) => readTextOrNull(`${snapshot}/${name}`));
}

/** What a record calls for and the files do not have; `null` where all are there with their sizes. */
export function faultOf(record: ModelRecord, files: ReadonlyMap<string, number>): string | null {
  for (const { path, size } of record.files) {
    const there = files.get(path);
    if (there === undefined) return `${path} is missing`;
    if (there !== size) return `${path} has ${there} bytes instead of ${size}`;
  }
  return null;
}

async function unfinishedBlob(folder: string): Promise<string | null> {
  try {
    for await (const entry of Deno.readDir(`${folder}/blobs`)) {
      if (entry.name.endsWith(".incomplete")) return entry.name;
    }
  } catch (error) {
    if (!isAbsence(error)) throw errorFrom(error, `reading ${folder}/blobs`);
  }
  return null;
}
