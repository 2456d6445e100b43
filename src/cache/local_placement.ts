import { assertSafePath, type Manifest, type ManifestFile } from "../sources/mod.ts";
import { hashPool, type TransferItem, type TransferResult } from "../transfer/mod.ts";
import { adoptFiles } from "./adopt_files.ts";
import { hubFolder } from "./cache_paths.ts";
import {
  linkInTheWay,
  listFiles,
  lstatOrNull,
  makeInside,
  removeIfThere,
  statOrNull,
  writeAtomically,
} from "./files.ts";
import { checkLocalName } from "./local_name.ts";
import { proveFile } from "./prove_file.ts";
import { metadataPath, readMetadata, writeMetadata } from "./python_metadata.ts";
import { lookLocal } from "./resolve_model.ts";
import { storedModel } from "./stored_model.ts";
import { type ModelRecord, readRecord, recordOf, sameFiles, writeRecord } from "./record.ts";
import type { CachePaths, Placement, PlacementPlan, PublishedModel, StoredModel } from "./types.ts";

/** Name of the folder with what aim keeps of a model. */
export const AIM_FOLDER = ".aim";
/** Written last: the model is whole. */
export const MANIFEST = `${AIM_FOLDER}/manifest.json`;
/** Written first: a download is under way, or was interrupted. It lists the files that the download leaves alone. */
export const UNFINISHED = `${AIM_FOLDER}/unfinished.json`;

/** A local directory in the cache: `AIM_CACHE_PATH/org/model`. */
export function localPlacement({ paths, name }: { paths: CachePaths; name: string }): Placement {
  checkLocalName(name);
  return new LocalPlacement(name, paths.root, name, `${hubFolder(paths, name)}/blobs`);
}

/** Exactly this directory, in the form of a local directory. */
export function directPlacement({ directory }: { directory: string }): Placement {
  const path = directory.startsWith("/") ? directory : `${Deno.cwd()}/${directory}`;
  return new LocalPlacement(path, path.replace(/(?<=.)\/+$/, ""), "", null);
}

class LocalPlacement implements Placement {
  readonly layout = "local";
  readonly name: string;
  readonly directory: string;
  readonly #base: string;
  readonly #inside: string;
  /** Blobs of the same model in the other layout. */
  readonly #blobs: string | null;

  constructor(name: string, base: string, inside: string, blobs: string | null) {
    this.name = name;
    this.#base = base;
    this.#inside = inside;
    this.#blobs = blobs;
    this.directory = inside === "" ? base : `${base}/${inside}`;
  }

  async existing(manifest: Manifest): Promise<PublishedModel | null> {
    const record = await readRecord(`${this.directory}/${MANIFEST}`);
    if (record === null || record.commit !== manifest.commit || record.source !== manifest.source) {
      return null;
    }
    if (!sameFiles(record, manifest)) return null;
    const files = await listFiles(this.directory, {
      skip: (path) => path === AIM_FOLDER || path === ".cache",
    });
    if (manifest.files.some((file) => files.get(file.path) !== file.size)) return null;
    return { path: this.directory, commit: record.commit };
  }

  async lookUp(revision: string | undefined): Promise<StoredModel | null> {
    const { state } = await lookLocal(this.directory, revision);
    return state === "complete"
      ? await storedModel(this.directory, await readRecord(`${this.directory}/${MANIFEST}`))
      : null;
  }

  async secure(): Promise<void> {
    await makeInside(this.#base, this.#inside);
    await makeInside(this.#base, `${this.#inside}/${AIM_FOLDER}`);
  }

  async plan(manifest: Manifest, { force = false }: { force?: boolean } = {}): Promise<PlacementPlan> {
    for (const file of manifest.files) assertSafePath(file.path, manifest.source);
    const files = force ? new Map<string, number>() : await listFiles(this.directory);
    const records = force ? [] : await this.#records();
    const pool = hashPool();
    try {
      const present = await eachOf(manifest.files, (file) => this.#isPresent(file, files, records, pool));
      return {
        items: manifest.files.filter((_, at) => !present[at]).map((file) => this.#item(file)),
        present: manifest.files.filter((_, at) => present[at]),
        blobs: new Map(),
      };
    } finally {
      pool.close();
    }
  }

  async begin(manifest: Manifest, plan: PlacementPlan): Promise<PlacementPlan> {
    const checked = new Set<string>();
    for (const file of manifest.files) {
      await this.#makeFolderOf(file.path, checked);
      await this.#makeFolderOf(metadataPath(file.path), checked);
    }
    await this.#makeFolderOf(MANIFEST, checked);
    if (plan.items.length === 0) return plan;
    // From here until the manifest is written, nobody takes this for a model.
    const kept = { ...manifest, files: plan.present };
    await writeRecord(`${this.directory}/${UNFINISHED}`, recordOf(kept, manifest.commit, null, new Date()));
    await removeIfThere(`${this.directory}/${MANIFEST}`);
    const blobs = this.#blobs;
    if (blobs === null) return plan;
    const adopted = await adoptFiles(plan.items, (file) => `${blobs}/${file.etag}`);
    return {
      ...plan,
      items: plan.items.filter((item) => !adopted.has(item.file.path)),
      present: [
        ...plan.present,
        ...plan.items.filter((item) => adopted.has(item.file.path)).map((item) => item.file),
      ],
    };
  }

  async publish(manifest: Manifest, plan: PlacementPlan, result: TransferResult): Promise<PublishedModel> {
    const fetched = new Set(result.files.map((done) => done.file.path));
    const checked = new Set<string>();
    for (const path of [MANIFEST, metadataPath("x")]) await this.#makeFolderOf(path, checked);
    if (manifest.commit !== null) await this.#writePythonFiles(manifest.commit, manifest, plan, fetched);
    const record = recordOf(manifest, manifest.commit, null, new Date());
    await writeRecord(`${this.directory}/${MANIFEST}`, record);
    await removeIfThere(`${this.directory}/${UNFINISHED}`);
    return { path: this.directory, commit: manifest.commit };
  }

  /** So that Python's `snapshot_download(local_dir=…)` takes the files for its own and moves none. */
  async #writePythonFiles(
    commit: string,
    manifest: Manifest,
    plan: PlacementPlan,
    fetched: ReadonlySet<string>,
  ): Promise<void> {
    const ignore = `${this.directory}/.cache/huggingface/.gitignore`;
    if (await lstatOrNull(ignore) === null) await writeAtomically(ignore, "*");
    await eachOf(manifest.files, async (file) => {
      if (!fetched.has(file.path) && plan.present.includes(file)) {
        const known = await readMetadata(this.directory, file.path);
        if (known?.commit === commit && known.etag === file.etag) return;
      }
      const modified = (await statOrNull(`${this.directory}/${file.path}`))?.mtime?.getTime() ?? 0;
      const timestamp = Math.max(Date.now(), modified) / 1000;
      await writeMetadata(this.directory, file.path, { commit, etag: file.etag, timestamp });
    });
  }

  async #records(): Promise<ModelRecord[]> {
    const records = await Promise.all(
      [MANIFEST, UNFINISHED].map((path) => readRecord(`${this.directory}/${path}`)),
    );
    return records.filter((record) => record !== null);
  }

  async #isPresent(
    file: ManifestFile,
    files: ReadonlyMap<string, number>,
    records: readonly ModelRecord[],
    pool: ReturnType<typeof hashPool>,
  ): Promise<boolean> {
    if (files.get(file.path) !== file.size) return false;
    const info = await lstatOrNull(`${this.directory}/${file.path}`);
    if (!info?.isFile) return false;
    const recorded = records.some((record) =>
      record.files.some((one) => one.path === file.path && one.size === file.size && one.etag === file.etag)
    );
    if (recorded) return true;
    const metadata = await readMetadata(this.directory, file.path);
    if (metadata?.etag === file.etag) return true;
    // Of unknown origin (an interrupted run, rsync): its bytes decide, which is cheaper than fetching it again.
    return file.digest !== null &&
      await proveFile(pool, `${this.directory}/${file.path}`, file.digest) !== null;
  }

  #item(file: ManifestFile): TransferItem {
    const path = `${this.directory}/${file.path}`;
    return { file, staging: `${path}.incomplete`, compute: [], target: () => path };
  }

  async #makeFolderOf(path: string, checked: Set<string>): Promise<void> {
    const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
    await makeInside(this.#base, `${this.#inside}/${folder}`, checked);
    const there = checked.has(path) ? null : await lstatOrNull(`${this.directory}/${path}`);
    // rename(2) replaces a link, it does not follow it; a folder in a file's place is another matter.
    if (there?.isDirectory) throw linkInTheWay(`${this.directory}/${path}`);
  }
}

/** Runs a few at a time; results in order. */
export async function eachOf<T, R>(
  items: readonly T[],
  run: (item: T) => Promise<R>,
  atOnce = 32,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) {
      const item = items[at];
      if (item !== undefined) results[at] = await run(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
