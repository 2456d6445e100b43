import { filesOfQuantisation, ggufFiles } from "../../sources/quantisation.ts";
import { listFiles, listTree, lstatOrNull, statOrNull } from "../files.ts";
import { MANIFEST, UNFINISHED } from "../layout.ts";
import { DOWNLOADS, readMetadata } from "../python_metadata.ts";
import { lookRecord } from "../record.ts";
import { damageMarkPath, readDamageMark } from "./damage_mark.ts";
import { judgeFiles, recordFault, strayFault } from "./judge_files.ts";
import type { Verdict } from "./types.ts";

/**
 * Judges a local directory.
 *
 * @param revision The required one; `undefined` for any.
 * @param roots Its links may point only into these folders.
 * @param quantisation The requested GGUF quantisation; `undefined` for the complete model.
 */
export async function lookAtLocal(
  path: string,
  revision: string | undefined,
  roots: readonly string[],
  quantisation?: string,
): Promise<Verdict> {
  const info = await statOrNull(path);
  if (info === null) return await absentOrDangling(path);
  if (!info.isDirectory) return { state: "absent", reason: "it is not a directory" };
  const listing = await listTree(path, roots);
  const stray = strayFault(listing);
  if (stray !== null) return stray;
  const isUnfinished = await statOrNull(`${path}/${UNFINISHED}`) !== null;
  if (isUnfinished && !await leavesAlone(`${path}/${UNFINISHED}`, quantisation)) {
    return { state: "partial", reason: "its download is not finished", remedy: "finish", faults: [] };
  }
  const read = await lookRecord(`${path}/${isUnfinished ? UNFINISHED : MANIFEST}`);
  if (read.kind === "failed") return recordFault(MANIFEST, read);
  const record = read.kind === "ok" ? read.value : null;
  if (revision !== undefined && (record === null || ![record.revision, record.commit].includes(revision))) {
    return {
      state: "absent",
      reason: record === null
        ? `its revision is not known, and ${revision} is required`
        : `it has revision ${record.revision ?? record.commit}, not ${revision}`,
    };
  }
  const unfinished = record === null
    ? unfinishedByHand(listing.files, quantisation) ??
      await unfinishedByPython(path, listing.files, quantisation)
    : null;
  const foundBad = await readDamageMark(damageMarkPath(path, null));
  const known = { record: record?.files ?? null, noted: new Map(), unfinished, foundBad };
  return await judgeFiles(path, listing, known, quantisation);
}

/** True if an unfinished download fetches another quantisation, and this one is recorded. */
async function leavesAlone(path: string, quantisation: string | undefined): Promise<boolean> {
  const read = await lookRecord(path);
  if (quantisation === undefined || read.kind !== "ok") return false;
  const { files, fetching = [] } = read.value;
  const touched = filesOfQuantisation(fetching.map((file) => file.path), quantisation);
  return touched.size === 0 && ggufFiles(files.map((file) => file.path), quantisation).length > 0;
}

async function absentOrDangling(path: string): Promise<Verdict> {
  const reason = (await lstatOrNull(path)) === null
    ? "there is no such directory"
    : "it is a symbolic link whose target does not exist: its volume may not be mounted";
  return { state: "absent", reason };
}

/** A partial file of a download program, without its complete file. aria2 writes into the file itself. */
function unfinishedByHand(
  files: ReadonlyMap<string, number>,
  quantisation: string | undefined,
): string | null {
  for (const path of files.keys()) {
    if (quantisation !== undefined && ofAnother(path, quantisation)) continue;
    if (path.endsWith(".aria2")) return path;
    const [, name] = /^(.+?)(?:\.aim-[0-9a-f]{8})?(?:\.incomplete(?:\.parts)?|\.part)$/.exec(path) ?? [];
    if (name !== undefined && !files.has(name)) return path;
  }
  return null;
}

/** True for a partial GGUF file of another quantisation. */
function ofAnother(path: string, quantisation: string): boolean {
  const [gguf] = /^.*\.gguf(?=\.)/.exec(path) ?? [];
  return gguf !== undefined && ggufFiles([gguf], quantisation).length === 0;
}

/**
 * A partial file of Python's client, `.cache/huggingface/download/….<etag>[.<8 hex>].incomplete`, without metadata of its
 * ETag. `null` if all files of the quantisation have metadata.
 */
async function unfinishedByPython(
  directory: string,
  files: ReadonlyMap<string, number>,
  quantisation: string | undefined,
): Promise<string | null> {
  const folder = `${directory}/${DOWNLOADS}`;
  const names = [...(await listFiles(folder)).keys()];
  const partial = names.filter((name) => name.endsWith(".incomplete")).sort();
  if (partial.length === 0) return null;
  const own = quantisation === undefined ? [] : ggufFiles(files.keys(), quantisation);
  const noted = await Promise.all(own.map((path) => readMetadata(directory, path)));
  if (own.length > 0 && noted.every((one) => one !== null)) return null;
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
