import { errorFrom } from "../errors/mod.ts";
import { assertRevision } from "../sources/model_ref.ts";
import { hubFolder } from "./cache_paths.ts";
import { isAbsence, isBookkeeping, listFiles, readTextOrNull, statOrNull } from "./files.ts";
import { judgeFiles, type Judgement, judgeRecorded } from "./judge_files.ts";
import { isCommit, MANIFEST, snapshotRecord, UNFINISHED } from "./layout.ts";
import { checkLocalName } from "./local_name.ts";
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
    return await judgeRecorded(record.files, files, (name) => readTextOrNull(`${path}/${name}`));
  }
  if (revision !== undefined) {
    return {
      state: "absent",
      reason: `it does not say which revision it holds, and ${revision} is asked for`,
    };
  }
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
  if (ref !== undefined && isCommit(ref)) return ref;
  const itself = isCommit(revision) && await statOrNull(`${folder}/snapshots/${revision}`) !== null;
  return itself ? revision : null;
}

async function judgeSnapshot(folder: string, snapshot: string, commit: string): Promise<Judgement> {
  if (await statOrNull(snapshot) === null) return { state: "absent", reason: "the snapshot is not there" };
  const files = await listFiles(snapshot);
  const record = await readRecord(snapshotRecord(folder, commit));
  const read = (name: string) => readTextOrNull(`${snapshot}/${name}`);
  if (record !== null) return await judgeRecorded(record.files, files, read);
  const unfinished = await unfinishedBlob(folder);
  if (unfinished !== null) {
    return { state: "partial", reason: `a download is unfinished (blobs/${unfinished})` };
  }
  return await judgeFiles(files, read);
}

/** A partial file whose blob is not there. */
async function unfinishedBlob(folder: string): Promise<string | null> {
  try {
    const names = new Set(
      (await Array.fromAsync(Deno.readDir(`${folder}/blobs`))).map((entry) => entry.name),
    );
    return names.values().find((name) =>
      name.endsWith(".incomplete") && !names.has(name.slice(0, name.indexOf(".")))
    ) ?? null;
  } catch (error) {
    if (!isAbsence(error)) throw errorFrom(error, `reading ${folder}/blobs`);
  }
  return null;
}
