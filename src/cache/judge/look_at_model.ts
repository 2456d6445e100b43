import { type Read, readRegularTextSync } from "../../os/read_regular_file.ts";
import { filesOfQuantisation, ggufFiles, withoutQuantisation } from "../../sources/quantisation.ts";
import { entriesOf, listFiles, type Listing, listTree, lstatOrNull, statOrNull } from "../files.ts";
import { folderOfModel, type ModelOnDisk, nameOf, recordPath, UNFINISHED } from "../layout.ts";
import type { ModelVersion } from "../types.ts";
import { DOWNLOADS, readMetadata } from "../python_metadata.ts";
import { lookRecord, type ModelRecord, readRecord } from "../record.ts";
import { damageMarkPath, readDamageMark } from "./damage_mark.ts";
import { judgeModel, type ModelContents, partial, type Verdict } from "./judge_model.ts";
import { faultInHead } from "./read_head.ts";
import { fieldsOf, jsonOrNull } from "../../values/json.ts";

/** @param roots Links may point only into these folders. */
export async function lookAtModel(
  model: ModelOnDisk,
  roots: readonly string[],
  { revision, quantisation }: ModelVersion = {},
): Promise<Verdict> {
  const { layout, path } = model;
  const info = await statOrNull(path);
  if (!info?.isDirectory) return await withoutFolder(model, info);
  const listing = await listTree(path, roots);
  const [stray] = listing.strays;
  if (stray !== undefined) {
    const [link, target] = stray;
    return partial(`${link || "it"} is a symbolic link that leads out of the cache, to ${target}`, "links");
  }
  const isUnfinished = layout === "local" && await statOrNull(`${path}/${UNFINISHED}`) !== null;
  const read = await lookRecord(isUnfinished ? `${path}/${UNFINISHED}` : recordPath(model));
  if (isUnfinished && !leavesAlone(read, quantisation)) {
    return partial("its download is not finished", "finish");
  }
  if (read.kind === "failed") return recordFault(model, read);
  const record = read.kind === "ok" ? read.value : null;
  if (revision !== undefined && ![record?.revision, record?.commit].includes(revision)) {
    return {
      state: "absent",
      reason: record === null
        ? `its revision is not known, but ${revision} is required`
        : `it has revision ${record.revision ?? record.commit}, not ${revision}`,
    };
  }
  // With a record, the traces of other programs are not needed.
  const traces = record !== null
    ? NO_TRACES
    : layout === "local"
    ? { ...NO_TRACES, unfinished: await unfinishedInDirectory(path, listing.files, quantisation) }
    : await tracesInHub(folderOfModel(model), nameOf(path), quantisation);
  return await judgeFiles(model, listing, record, traces, quantisation);
}

/** Judges all files of a model, or only those of one GGUF quantisation. */
async function judgeFiles(
  model: ModelOnDisk,
  { files, dangling }: Listing,
  record: ModelRecord | null,
  traces: Traces,
  quantisation: string | undefined,
): Promise<Verdict> {
  const { path } = model;
  const recorded = new Map(record?.files.map((file) => [file.path, file]));
  const all = new Set([...files.keys(), ...dangling, ...recorded.keys()]);
  const [gguf] = quantisation === undefined ? [] : ggufFiles(all, quantisation);
  if (quantisation !== undefined && gguf === undefined) {
    return { state: "absent", reason: `it has ${withoutQuantisation(quantisation, all)}` };
  }
  const isOwn = ownFiles(quantisation);
  const own = <T>(map: ReadonlyMap<string, T>) => new Map([...map].filter(([path]) => isOwn(path)));
  // The record does not list a quantisation that another program has downloaded.
  const isRecorded = record !== null && (gguf === undefined || recorded.has(gguf));
  const verdict = judgeModel({
    ...traces,
    files: own(files),
    dangling: dangling.filter(isOwn),
    record: isRecorded ? [...own(recorded).values()] : null,
    foundBad: own(await readDamageMark(damageMarkPath(model))),
    weightsFolder: gguf === undefined ? null : gguf.slice(0, gguf.lastIndexOf("/") + 1),
    head: (file, size) => faultInHead(`${path}/${file}`, size),
    text(file) {
      const text = readRegularTextSync(`${path}/${file}`);
      return text.kind === "ok" ? text.value : null;
    },
  });
  return verdict.state === "complete" && gguf !== undefined ? { ...verdict, gguf } : verdict;
}

function ownFiles(quantisation: string | undefined): (path: string) => boolean {
  return quantisation === undefined ? () => true : filesOfQuantisation(quantisation);
}

async function withoutFolder(model: ModelOnDisk, info: Deno.FileInfo | null): Promise<Verdict> {
  if (info !== null) return { state: "absent", reason: "it is not a directory" };
  if (await lstatOrNull(model.path) !== null) {
    const reason = "it is a symbolic link whose target does not exist: its volume may not be mounted";
    return { state: "absent", reason };
  }
  if (model.layout === "local") return { state: "absent", reason: "the directory does not exist" };
  if (await readRecord(recordPath(model)) === null) {
    return { state: "absent", reason: "the snapshot is missing" };
  }
  return partial("the snapshot's links are missing: the program that copied it left links out", "finish");
}

/** The verdict for a model with an invalid record: damaged, since its files cannot be checked. */
function recordFault(
  model: ModelOnDisk,
  { reason: why, cause }: Extract<Read<unknown>, { kind: "failed" }>,
): Verdict {
  const path = recordPath(model).slice(folderOfModel(model).length + 1);
  // With a cause, the system refused to read it; otherwise its content is invalid.
  const [remedy, kind] = cause === undefined
    ? ["finish", "content"] as const
    : ["permissions", "unreadable"] as const;
  const reason = `cannot be used: ${why}`;
  return { state: "damaged", reason: `${path} ${reason}`, remedy, faults: [{ path, kind, reason }] };
}

/** True if an unfinished download fetches another quantisation, and this one is recorded. */
function leavesAlone(unfinished: Read<ModelRecord>, quantisation: string | undefined): boolean {
  if (quantisation === undefined || unfinished.kind !== "ok") return false;
  const { files, fetching = [] } = unfinished.value;
  const isOwn = filesOfQuantisation(quantisation);
  return !fetching.some(({ path }) => isOwn(path)) &&
    ggufFiles(files.map(({ path }) => path), quantisation).length > 0;
}

/** What other programs leave next to the files of a download. */
type Traces = Pick<ModelContents, "noted" | "unfinished">;

const NO_TRACES: Traces = { noted: new Map(), unfinished: null };

/** Any program's partial file whose complete file is missing. aria2 writes into the file itself. */
async function unfinishedInDirectory(
  directory: string,
  files: ReadonlyMap<string, number>,
  quantisation: string | undefined,
): Promise<string | null> {
  const isOwn = ownFiles(quantisation);
  for (const path of files.keys()) {
    const [gguf] = /^.*\.gguf(?=\.)/.exec(path) ?? [];
    if (gguf !== undefined && !isOwn(gguf)) continue;
    if (path.endsWith(".aria2")) return path;
    const [, name] = /^(.+?)(?:\.aim-[0-9a-f]{8})?(?:\.incomplete(?:\.parts)?|\.part)$/.exec(path) ?? [];
    if (name !== undefined && !files.has(name)) return path;
  }
  return await unfinishedByPython(directory, files, quantisation);
}

/**
 * Python's `.cache/huggingface/download/….<etag>[.<8 hex>].incomplete`, if no file's metadata has that ETag.
 */
async function unfinishedByPython(
  directory: string,
  files: ReadonlyMap<string, number>,
  quantisation: string | undefined,
): Promise<string | null> {
  const names = [...(await listFiles(`${directory}/${DOWNLOADS}`)).keys()];
  const partial = names.filter((name) => name.endsWith(".incomplete")).sort();
  if (partial.length === 0) return null;
  const own = quantisation === undefined ? [] : ggufFiles(files.keys(), quantisation);
  const noted = await Promise.all(own.map((path) => readMetadata(directory, path)));
  if (own.length > 0 && noted.every((one) => one !== null)) return null;
  const arrived = new Set<string | undefined>();
  for (const name of names.filter((one) => one.endsWith(".metadata"))) {
    arrived.add((await readMetadata(directory, name.slice(0, -".metadata".length)))?.etag);
  }
  const left = partial.find((name) => !nameOf(name).split(".").some((part) => arrived.has(part)));
  return left === undefined ? null : `${DOWNLOADS}/${left}`;
}

/**
 * Python's list of a commit's files, `trees/<commit>.json` (`_tree_cache.py`), often readable only by its
 * owner, and a partial blob. Without the list, a partial blob belongs to the only snapshot.
 */
async function tracesInHub(
  folder: string,
  commit: string,
  quantisation: string | undefined,
): Promise<Traces> {
  const noted = new Map<string, number>();
  const own = new Set<unknown>();
  const isOwn = ownFiles(quantisation);
  const note = readRegularTextSync(`${folder}/trees/${commit}.json`);
  const { files } = fieldsOf(note.kind === "ok" ? jsonOrNull(note.value) : null);
  for (const [path, file] of Object.entries(fieldsOf(files))) {
    const { size, blob_id, lfs_sha256 } = fieldsOf(file);
    if (typeof size !== "number") continue;
    noted.set(path, size);
    if (isOwn(path)) own.add(lfs_sha256 ?? blob_id);
  }
  const blobs = new Set((await entriesOf(`${folder}/blobs`)).map(({ name }) => name));
  const partial = [...blobs].filter((name) => name.endsWith(".incomplete") && !blobs.has(stem(name)));
  if (partial.length === 0) return { noted, unfinished: null };
  const isOnly = own.size === 0 && (await entriesOf(`${folder}/snapshots`)).length === 1;
  const left = isOnly ? partial[0] : partial.find((name) => own.has(stem(name)));
  return { noted, unfinished: left === undefined ? null : `blobs/${left}` };
}

/** The name of a partial blob's complete file. */
function stem(name: string): string {
  return name.slice(0, name.indexOf("."));
}
