import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { writeFile } from "../os/write_file.ts";
import type { Manifest, ManifestFile } from "../sources/manifest.ts";
import type { TransferItem, TransferResult } from "../transfer/types.ts";
import { cacheRoots, hubFolder } from "./cache_paths.ts";
import { checkNames } from "./check_names.ts";
import { checkPublished } from "./check_published.ts";
import { commitModel } from "./commit_model.ts";
import { eachOf } from "../sources/each_of.ts";
import { entriesOf, listFiles, listTree, lstatOrNull, statOrNull } from "./files.ts";
import { FINISHED, finishedFiles } from "./finished_files.ts";
import { keyOf, knownFiles, snapshotRecords } from "./known_blobs.ts";
import { AIM_FOLDER, folderOf, isAside, MANIFEST, nameOf, UNFINISHED } from "./layout.ts";
import { strayLinks } from "./links.ts";
import { checkLocalName } from "./local_name.ts";
import { ModelDirectory } from "./model_directory.ts";
import { type FileProver, withProver } from "./prove_file.ts";
import { DOWNLOADS, metadataPath, readMetadata, writeMetadata } from "./python_metadata.ts";
import { lookLocal } from "./resolve_model.ts";
import { sharedBlobsOf } from "./shared_blobs.ts";
import { sweepLeftovers } from "./sweep_leftovers.ts";
import { storedModel } from "./stored_model.ts";
import { covers, type ModelRecord, readRecord, type RecordedFile, recordOf, withFiles } from "./record.ts";
import type {
  CachePaths,
  Placement,
  PlacementPlan,
  PlanOptions,
  PublishedModel,
  StoredModel,
} from "./types.ts";

/** A local directory in the cache: `AIM_CACHE_PATH/org/model`. */
export function localPlacement(
  { paths, name, quantisation }: { paths: CachePaths; name: string; quantisation?: string | undefined },
): Placement {
  checkLocalName(name);
  const options = { other: hubFolder(paths, name), roots: cacheRoots(paths), quantisation };
  return new LocalPlacement(name, paths.root, `${paths.root}/${name}`, options);
}

/** Exactly this directory, with the files of a local directory. */
export function directPlacement(
  { directory, quantisation }: { directory: string; quantisation?: string | undefined },
): Placement {
  const path = directory.startsWith("/") ? directory : `${Deno.cwd()}/${directory}`;
  const base = path.replace(/(?<=.)\/+$/, "");
  return new LocalPlacement(path, base, base, { other: null, roots: [base], quantisation });
}

interface LocalOptions {
  /** The folder of the same model in the other layout. */
  readonly other: string | null;
  /** Links may point only into these folders. */
  readonly roots: readonly string[];
  /** `undefined`: the complete model. */
  readonly quantisation: string | undefined;
}

class LocalPlacement extends ModelDirectory implements Placement {
  readonly layout = "local";
  readonly #options: LocalOptions;

  constructor(name: string, root: string, directory: string, options: LocalOptions) {
    super(name, root, directory);
    this.#options = options;
  }

  async existing(manifest: Manifest): Promise<PublishedModel | null> {
    const record = await readRecord(this.at(MANIFEST));
    if (record === null || !isSameVersion(record, manifest)) return null;
    if (!mayHoldMore(manifest) && record.files.length !== manifest.files.length) return null;
    if (!covers(record, manifest)) return null;
    if (await statOrNull(this.at(UNFINISHED)) !== null) return null;
    const { files, links } = await listTree(this.directory, { skip: isAside });
    if (record.files.some((file) => files.get(file.path) !== file.size)) return null;
    // aim makes no links in a local directory.
    if (strayLinks(this.directory, links, this.#options.roots).size > 0) return null;
    const linked = new Set(links);
    if (record.files.some((file) => linked.has(file.path))) return null;
    return { path: this.directory, commit: record.commit };
  }

  async lookUp(revision: string | undefined): Promise<StoredModel | null> {
    const { roots, quantisation } = this.#options;
    const { state } = await lookLocal(this.directory, revision, roots, quantisation);
    if (state !== "complete") return null;
    return await storedModel(this.directory, await readRecord(this.at(MANIFEST)), undefined, quantisation);
  }

  check(manifest: Manifest): void {
    checkNames(manifest, this.at(DOWNLOADS));
  }

  async plan(manifest: Manifest, { force = false, signal }: PlanOptions = {}): Promise<PlacementPlan> {
    this.check(manifest);
    const isPresent = force ? () => Promise.resolve(false) : await this.#presence(manifest.source);
    const present = await withProver(
      signal,
      (prover) => eachOf(manifest.files, (file) => isPresent(file, prover)),
    );
    return {
      items: manifest.files.filter((_, at) => !present[at]).map((file) => this.#item(file)),
      present: manifest.files.filter((_, at) => present[at]),
      blobs: new Map(),
      copies: new Map(),
      adopt: !force,
    };
  }

  async begin(manifest: Manifest, plan: PlacementPlan, signal?: AbortSignal): Promise<PlacementPlan> {
    this.#makeFoldersFor(manifest);
    await this.#checkFolders(plan.items);
    const before = await this.#records();
    const stale = await this.#staleFiles(manifest, before);
    if (plan.items.length + stale.length === 0) return plan;
    // From here until the manifest is written, this is not a complete model.
    const kept = recordOf({ ...manifest, files: plan.present }, manifest.commit, null, new Date());
    const record: ModelRecord = {
      ...withFiles(kept, await this.#otherFiles(manifest, before)),
      fetching: [...plan.items.map(({ file }) => file), ...stale].map(({ path, size }) => ({ path, size })),
    };
    await commitModel({
      files: this.files,
      unflushed: record.files.map(({ path }) => this.at(path)),
      directories: [],
      record,
      path: this.at(UNFINISHED),
      finish: () => {
        this.#removeStale(stale);
        this.files.remove(this.at(MANIFEST));
        return Promise.resolve([this.at(AIM_FOLDER)]);
      },
    });
    return plan.adopt ? (await this.adopt(plan, await this.#candidates(manifest), signal)).plan : plan;
  }

  async publish(manifest: Manifest, _plan: PlacementPlan, result: TransferResult): Promise<PublishedModel> {
    this.#makeFoldersFor(manifest);
    const others = await this.#otherFiles(manifest, await this.#records());
    const modified = await checkPublished(this.directory, manifest.files);
    const record = withFiles(recordOf(manifest, manifest.commit, null, new Date()), others);
    const { files } = this;
    const fetched = new Set<string>(result.files.map((done) => done.file.path));
    const folders = new Set(record.files.map((file) => folderOf(file.path)));
    await commitModel({
      files,
      unflushed: record.files.filter(({ path }) => !fetched.has(path)).map(({ path }) => this.at(path)),
      directories: [...folders].map((folder) => this.at(folder)),
      prepare: async () => {
        await this.#writePythonFiles(manifest, fetched, modified);
        return [];
      },
      record,
      path: this.at(MANIFEST),
      finish: () => {
        for (const name of [UNFINISHED, FINISHED]) files.remove(this.at(name));
        return Promise.resolve([this.at(AIM_FOLDER)]);
      },
    });
    await sweepLeftovers(files, this.directory, folders, record.files.map((file) => nameOf(file.path)));
    return { path: this.directory, commit: manifest.commit };
  }

  /**
   * Writes the metadata with which Python's `snapshot_download(local_dir=…)` accepts the files as its own.
   *
   * @param fetched Paths of the files that are new.
   * @param modified Milliseconds since 1970 by path.
   */
  async #writePythonFiles(
    { commit, files }: Manifest,
    fetched: ReadonlySet<string>,
    modified: ReadonlyMap<string, number>,
  ): Promise<void> {
    if (commit === null) return;
    const ignore = this.at(".cache/huggingface/.gitignore");
    if (await lstatOrNull(ignore) === null) writeFile(this.files, ignore, "*");
    const folders = new Set(files.map(({ path }) => folderOf(metadataPath(path))));
    for (const { path, etag } of files) {
      if (!fitsMetadata(path) || folders.has(metadataPath(path))) continue;
      if (!fetched.has(path)) {
        const known = await readMetadata(this.directory, path);
        if (known?.commit === commit && known.etag === etag) continue;
      }
      // A file server's clock may be ahead of this host's: Python would think that the file has changed since.
      const timestamp = Math.max(Date.now(), modified.get(path) ?? 0) / 1000;
      writeMetadata(this.files, this.directory, path, { commit, etag, timestamp });
    }
  }

  async #records(): Promise<ModelRecord[]> {
    const records = await Promise.all([UNFINISHED, MANIFEST].map((path) => readRecord(this.at(path))));
    return records.filter((record) => record !== null);
  }

  /**
   * Files of the same version that other downloads, with other filters, fetched: they stay recorded. A bucket
   * has no commits, so none of its files is kept once one of them has changed.
   */
  async #otherFiles(manifest: Manifest, records: readonly ModelRecord[]): Promise<RecordedFile[]> {
    if (!mayHoldMore(manifest)) return [];
    const own = new Map<string, ManifestFile>(manifest.files.map((file) => [file.path, file]));
    const same = records.filter((record) => isSameVersion(record, manifest)).flatMap(({ files }) => files);
    const changed = same.some((file) => {
      const now = own.get(file.path);
      return now !== undefined && (now.etag !== file.etag || now.size !== file.size);
    });
    return changed ? [] : await this.othersIn(this.directory, same, manifest);
  }

  /**
   * Files that another version was downloaded with and this one does not have: an engine that loads all weights
   * it finds would mix the two. Not files that have changed since, and outside the cache not those from another
   * source, which the user has put there.
   */
  async #staleFiles(manifest: Manifest, records: readonly ModelRecord[]): Promise<StaleFile[]> {
    const old = records
      .filter(({ source }) => this.directory !== this.root || source === manifest.source)
      .filter((record) => !isSameVersion(record, manifest) || !mayHoldMore(manifest))
      .flatMap((record): StaleFile[] => [...record.files, ...record.fetching ?? []]);
    const same = await this.othersIn(this.directory, old, manifest);
    const isFile = await eachOf(same, async ({ path }) => (await lstatOrNull(this.at(path)))?.isFile);
    return same.filter((_, at) => isFile[at]);
  }

  #removeStale(stale: readonly StaleFile[]): void {
    if (stale.length === 0) return;
    log.info(`removing ${stale.length} files of an earlier version from ${this.directory}`, {
      files: stale.map((file) => file.path),
    });
    for (const { path } of stale) {
      this.files.remove(this.at(path));
      this.files.remove(this.at(metadataPath(path)));
    }
  }

  /** Returns a function that tells whether a file is on disk and complete. */
  async #presence(
    source: string,
  ): Promise<(file: ManifestFile, prover: FileProver) => Promise<boolean>> {
    // Does not enter folders behind links, which are not the model's own.
    const sizes = await listFiles(this.directory, { skip: isAside });
    const finished = await finishedFiles(this.directory, source);
    const recorded = new Set((await this.#records()).flatMap(({ files }) => files.map(keyOf)));
    return async (file, prover) => {
      if (sizes.get(file.path) !== file.size) return false;
      const path = this.at(file.path);
      if (!(await lstatOrNull(path))?.isFile) return false;
      if (recorded.has(keyOf(file)) || finished(file) === file.path) return true;
      if ((await readMetadata(this.directory, file.path))?.etag === file.etag) return true;
      // From an interrupted run or a copy: hashing it is cheaper than downloading it again.
      return file.digest !== null && await prover.prove(path, file.digest) !== null;
    };
  }

  /** Where the other layout may have a file: as a blob, or in a snapshot if the file system has no links. */
  async #candidates({ source, commit }: Manifest): Promise<(file: ManifestFile) => readonly string[]> {
    const { other } = this.#options;
    if (other === null || await statOrNull(other) === null) return () => [];
    const known = knownFiles(await snapshotRecords(other, source));
    const shared = await sharedBlobsOf(folderOf(other), other);
    return (file) => {
      const recorded = known(file);
      const blob = recorded?.blob ?? (commit === null || file.etag.includes("/") ? null : file.etag);
      const snapshot = recorded?.commit ?? commit;
      return [
        ...(blob === null ? [] : [shared.get(blob) ?? `${other}/blobs/${blob}`]),
        ...(snapshot === null ? [] : [`${other}/snapshots/${snapshot}/${file.path}`]),
      ];
    };
  }

  #item(file: ManifestFile): TransferItem {
    const path = this.at(file.path);
    return { file, staging: `${path}.incomplete`, compute: [], target: () => path };
  }

  /** rename(2) replaces a file or a link, but not a directory. */
  async #checkFolders(items: readonly TransferItem[]): Promise<void> {
    for (const [folder, files] of Map.groupBy(items, ({ file }) => folderOf(file.path))) {
      const names = new Set(files.map(({ file }) => nameOf(file.path)));
      const inTheWay = (await entriesOf(this.at(folder))).find((one) =>
        one.isDirectory && names.has(one.name)
      );
      if (inTheWay === undefined) continue;
      const path = `${this.at(folder)}/${inTheWay.name}`;
      throw new AimError("no-space", `${path} is a directory, and the model has a file of that name`, {
        hint: "move it away",
      });
    }
  }

  #makeFoldersFor({ files, commit }: Manifest): void {
    const folders = new Set([AIM_FOLDER, ...files.map(({ path }) => folderOf(path))]);
    if (commit !== null) { for (const { path } of files) folders.add(folderOf(metadataPath(path))); }
    this.makeFolders(folders);
  }
}

/** True if the model may have files that the manifest does not list. A complete listing of a bucket has them all. */
function mayHoldMore({ commit, filtered }: Manifest): boolean {
  return commit !== null || filtered === true;
}

function isSameVersion(record: ModelRecord, { source, commit }: Manifest): boolean {
  return record.source === source && record.commit === commit;
}

/** A name of almost 255 bytes leaves no room for `.metadata`: Python downloads that file again. */
function fitsMetadata(path: string): boolean {
  return new TextEncoder().encode(nameOf(metadataPath(path))).length <= 255;
}

/** A file of an earlier version. */
type StaleFile = Pick<RecordedFile, "path" | "size">;
