import { filesOfQuantisation } from "../../sources/quantisation.ts";
import { AimError } from "../../errors/aim_error.ts";
import { entriesOf, listTree, readTextOrNull, statOrNull } from "../files.ts";
import { AIM_FOLDER, snapshotRecord } from "../layout.ts";
import { lookRecord } from "../record.ts";
import { damageMarkPath, readDamageMark } from "./damage_mark.ts";
import { judgeFiles, recordFault, strayFault } from "./judge_files.ts";
import type { Verdict } from "./types.ts";

/**
 * Judges a snapshot in the Hugging Face cache.
 *
 * @param folder `models--org--model`.
 * @param roots Its links may point only into these folders.
 * @param quantisation The requested GGUF quantisation; `undefined` for the complete model.
 */
export async function lookAtSnapshot(
  folder: string,
  commit: string,
  roots: readonly string[],
  quantisation?: string,
): Promise<Verdict> {
  const snapshot = `${folder}/snapshots/${commit}`;
  const read = await lookRecord(snapshotRecord(folder, commit));
  if (read.kind === "failed") return recordFault(`${AIM_FOLDER}/${commit}.json`, read);
  const record = read.kind === "ok" ? read.value : null;
  if (await statOrNull(snapshot) === null) {
    return record === null ? { state: "absent", reason: "the snapshot is missing" } : {
      state: "partial",
      reason: "the snapshot's links are missing: the program that copied it left links out",
      remedy: "finish",
      faults: [],
    };
  }
  const listing = await listTree(snapshot, roots);
  const stray = strayFault(listing);
  if (stray !== null) return stray;
  // A record is more exact than Python's note.
  const tree = record === null ? await treeByPython(folder, commit) : new Map<string, NotedFile>();
  const own = quantisation === undefined ? null : filesOfQuantisation(tree.keys(), quantisation);
  const known = {
    record: record?.files ?? null,
    noted: new Map([...tree].map(([path, { size }]) => [path, size])),
    unfinished: record === null
      ? await unfinishedBlob(folder, new Map([...tree].filter(([path]) => own?.has(path) ?? true)))
      : null,
    foundBad: await readDamageMark(damageMarkPath(folder, commit)),
  };
  return await judgeFiles(snapshot, listing, known, quantisation);
}

interface NotedFile {
  readonly size: number;
  readonly blob: string | null;
}

/**
 * Python's note on all files of a commit, including those that were not downloaded: `trees/<commit>.json`
 * (`_tree_cache.py`). Only its owner may read it; it is ignored if it cannot be read.
 */
async function treeByPython(folder: string, commit: string): Promise<ReadonlyMap<string, NotedFile>> {
  const found = new Map<string, NotedFile>();
  try {
    const value: unknown = JSON.parse(await readTextOrNull(`${folder}/trees/${commit}.json`) ?? "{}");
    const { files } = value as { files?: Readonly<Record<string, unknown>> };
    for (const [path, file] of Object.entries(files ?? {})) {
      const { size, blob_id, lfs_sha256 } = file as Readonly<Record<string, unknown>>;
      const blob = [lfs_sha256, blob_id].find((one) => typeof one === "string");
      if (typeof size === "number") found.set(path, { size, blob: blob ?? null });
    }
  } catch (error) {
    if (!(error instanceof AimError || error instanceof SyntaxError || error instanceof TypeError)) {
      throw error;
    }
    return new Map();
  }
  return found;
}

/** A partial blob of this snapshot. Without a tree, any partial blob belongs to the only snapshot. */
async function unfinishedBlob(
  folder: string,
  tree: ReadonlyMap<string, NotedFile>,
): Promise<string | null> {
  const names = new Set((await entriesOf(`${folder}/blobs`)).map((entry) => entry.name));
  const partial = [...names].filter((name) =>
    name.endsWith(".incomplete") && !names.has(name.slice(0, name.indexOf(".")))
  );
  if (partial.length === 0) return null;
  const own = new Set([...tree.values()].map(({ blob }) => blob));
  const left = tree.size > 0
    ? partial.find((name) => own.has(name.slice(0, name.indexOf("."))))
    : (await entriesOf(`${folder}/snapshots`)).length === 1
    ? partial[0]
    : undefined;
  return left === undefined ? null : `blobs/${left}`;
}
