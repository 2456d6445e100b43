import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { type FilesBelow, filesBelow } from "../os/files_below.ts";
import { makeDirectories } from "../os/make_directories.ts";
import { writeFile } from "../os/write_file.ts";
import type { Manifest, ManifestFile } from "../sources/manifest.ts";
import type { TransferItem, TransferResult } from "../transfer/types.ts";
import { adoptFiles } from "./adopt_files.ts";
import { cacheRoots, hubFolder } from "./cache_paths.ts";
import { checkNames } from "./check_names.ts";
import { checkPublished } from "./check_published.ts";
import { commitModel } from "./commit_model.ts";
import { eachOf } from "../sources/each_of.ts";
import { listFiles, listFolder, listTree, lstatOrNull, statOrNull } from "./files.ts";
import { FINISHED, finishedFiles, FinishedLog } from "./finished_files.ts";
import { knownFiles, snapshotRecords } from "./known_blobs.ts";
import { AIM_FOLDER, folderOf, MANIFEST, nameOf, UNFINISHED } from "./layout.ts";
import { strayLinks } from "./links.ts";
import { checkLocalName } from "./local_name.ts";
import { type FileProver, withProver } from "./prove_file.ts";
import { metadataPath, readMetadata, writeMetadata } from "./python_metadata.ts";
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
  return new LocalPlacement(name, paths.root, name, {
    other: hubFolder(paths, name),
    roots: cacheRoots(paths),
    quantisation,
  });
}

/** Exactly this directory, in the form of a local directory. */
export function directPlacement(
  { directory, quantisation }: { directory: string; quantisation?: string | undefined },
): Placement {
  const path = directory.startsWith("/") ? directory : `${Deno.cwd()}/${directory}`;
  const base = path.replace(/(?<=.)\/+$/, "");
  return new LocalPlacement(path, base, "", { other: null, roots: [base], quantisation });
}

class LocalPlacement implements Placement {
  readonly layout = "local";
  readonly name: string;
  readonly directory: string;
  readonly root: string;
  readonly #inside: string;
  /** The folder of the same model in the other layout. */
  readonly #other: string | null;
  /** Where links may lead. */
  readonly #roots: readonly string[];
  /** The one that is asked for; `undefined`: the whole model. */
  readonly #quantisation: string | undefined;

  constructor(
    name: string,
    base: string,
    inside: string,
    { other, roots, quantisation }: {
      other: string | null;
      roots: readonly string[];
      quantisation: string | undefined;
    },
  ) {
    this.name = name;
    this.root = base;
    this.#inside = inside;
    this.#other = other;
    this.#roots = roots;
    this.#quantisation = quantisation;
    this.directory = inside === "" ? base : `${base}/${inside}`;
  }

  async existing(manifest: Manifest): Promise<PublishedModel | null> {
    const record = await readRecord(`${this.directory}/${MANIFEST}`);
    if (record === null || record.commit !== manifest.commit || record.source !== manifest.source) {
      return null;
    }
    if (!mayHoldMore(manifest) && record.files.length !== manifest.files.length) return null;
    if (!covers(record, manifest)) return null;
    if (await statOrNull(`${this.directory}/${UNFINISHED}`) !== null) return null;
    const { files, links } = await listTree(this.directory, { skip: isAside });
    if (record.files.some((file) => files.get(file.path) !== file.size)) return null;
    // Files of aim's are none; where a folder is one, what follows says so.
    if (strayLinks(this.directory, links, this.#roots).size > 0) return null;
    const linked = new Set(links);
    if (record.files.some((file) => linked.has(file.path))) return null;
    return { path: this.directory, commit: record.commit };
  }

  async lookUp(revision: string | undefined): Promise<StoredModel | null> {
    const quantisation = this.#quantisation;
    const { state } = await lookLocal(this.directory, revision, this.#roots, quantisation);
    if (state !== "complete") return null;
    const record = await readRecord(`${this.directory}/${MANIFEST}`);
    return await storedModel(this.directory, record, undefined, quantisation);
  }

  secure(): void {
    makeDirectories(this.root, [`${this.directory}/${AIM_FOLDER}`]);
  }

  log(manifest: Manifest): FinishedLog {
    return new FinishedLog(this.#files(), this.directory, manifest.source);
  }

  check(manifest: Manifest): void {
    checkNames(manifest, `${this.directory}/.cache/huggingface/download`);
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
    this.#makeFolders(manifest);
    await this.#checkFolders(plan.items);
    const before = await this.#records();
    const stale = await this.#staleFiles(manifest, before);
    if (plan.items.length + stale.length === 0) return plan;
    // From here until the manifest is written, nobody takes this for a model.
    const kept = recordOf({ ...manifest, files: plan.present }, manifest.commit, null, new Date());
    const record: ModelRecord = {
      ...withFiles(kept, await this.#moreOfCommit(manifest, before)),
      fetching: [...plan.items.map(({ file }) => file), ...stale].map(({ path, size }) => ({ path, size })),
    };
    const files = this.#files();
    await commitModel({
      files,
      unflushed: record.files.map(({ path }) => `${this.directory}/${path}`),
      directories: [],
      record,
      path: `${this.directory}/${UNFINISHED}`,
      finish: () => {
        this.#removeStale(files, stale);
        files.remove(`${this.directory}/${MANIFEST}`);
        return Promise.resolve([`${this.directory}/${AIM_FOLDER}`]);
      },
    });
    if (!plan.adopt) return plan;
    const adopted = await adoptFiles(files, plan.items, await this.#candidates(manifest), signal);
    const more = plan.items.filter((item) => adopted.has(item.file.path)).map((item) => item.file);
    return {
      ...plan,
      items: plan.items.filter((item) => !adopted.has(item.file.path)),
      present: [...plan.present, ...more],
    };
  }

  async publish(manifest: Manifest, _plan: PlacementPlan, result: TransferResult): Promise<PublishedModel> {
    this.#makeFolders(manifest);
    const more = await this.#moreOfCommit(manifest, await this.#records());
    const modified = await checkPublished(this.directory, manifest.files);
    const record = withFiles(recordOf(manifest, manifest.commit, null, new Date()), more);
    const files = this.#files();
    const fetched = new Set<string>(result.files.map((done) => done.file.path));
    const folders = new Set(record.files.map((file) => folderOf(file.path)));
    await commitModel({
      files,
      unflushed: record.files.filter(({ path }) => !fetched.has(path)).map(({ path }) =>
        `${this.directory}/${path}`
      ),
      directories: [...folders].map((folder) =>
        folder === "" ? this.directory : `${this.directory}/${folder}`
      ),
      prepare: async () => {
        await this.#writePythonFiles(files, manifest, fetched, modified);
        return [];
      },
      record,
      path: `${this.directory}/${MANIFEST}`,
      finish: () => {
        for (const name of [UNFINISHED, FINISHED]) files.remove(`${this.directory}/${name}`);
        return Promise.resolve([`${this.directory}/${AIM_FOLDER}`]);
      },
    });
    await sweepLeftovers(files, this.directory, folders, record.files.map((file) => nameOf(file.path)));
    return { path: this.directory, commit: manifest.commit };
  }

  /**
   * So that Python's `snapshot_download(local_dir=…)` takes the files for its own and moves none.
   *
   * @param fetched Paths of files that are new.
   * @param modified Milliseconds since 1970 by path.
   */
  async #writePythonFiles(
    below: FilesBelow,
    { commit, files }: Manifest,
    fetched: ReadonlySet<string>,
    modified: ReadonlyMap<string, number>,
  ): Promise<void> {
    if (commit === null) return;
    const ignore = `${this.directory}/.cache/huggingface/.gitignore`;
    if (await lstatOrNull(ignore) === null) writeFile(below, ignore, "*");
    const folders = new Set(files.map(({ path }) => folderOf(metadataPath(path))));
    for (const { path, etag } of files) {
      if (!fitsMetadata(path) || folders.has(metadataPath(path))) continue;
      if (!fetched.has(path)) {
        const known = await readMetadata(this.directory, path);
        if (known?.commit === commit && known.etag === etag) continue;
      }
      // A server's clock may be ahead of this one's: Python would take the file for changed.
      const timestamp = Math.max(Date.now(), modified.get(path) ?? 0) / 1000;
      writeMetadata(below, this.directory, path, { commit, etag, timestamp });
    }
  }

  #files(): FilesBelow {
    return filesBelow(this.root);
  }

  async #records(): Promise<ModelRecord[]> {
    const records = await Promise.all(
      [UNFINISHED, MANIFEST].map((path) => readRecord(`${this.directory}/${path}`)),
    );
    return records.filter((record) => record !== null);
  }

  /**
   * Files of the same commit that other downloads, with other filters, brought: the directory keeps knowing them. Of a bucket, which has
   * no commits, as long as nothing speaks against it.
   */
  async #moreOfCommit(manifest: Manifest, records: readonly ModelRecord[]): Promise<RecordedFile[]> {
    if (!mayHoldMore(manifest)) return [];
    const own = new Map<string, ManifestFile>(manifest.files.map((file) => [file.path, file]));
    const same = records.filter((record) => isSameVersion(record, manifest)).flatMap((record) =>
      record.files
    );
    const changed = same.some((file) => {
      const now = own.get(file.path);
      return now !== undefined && (now.etag !== file.etag || now.size !== file.size);
    });
    const more = same.filter((file) => !own.has(file.path));
    if (changed || more.length === 0) return [];
    const there = await this.#tree();
    return more.filter((file) => there.get(file.path) === file.size);
  }

  /**
   * Files that were downloaded as another version, and that this one does not have: an engine that loads all weights it finds would mix
   * the two. What was changed since is not ours; what came from elsewhere into a directory that is no cache's was meant to lie there.
   */
  async #staleFiles(manifest: Manifest, records: readonly ModelRecord[]): Promise<StaleFile[]> {
    const own = new Set<string>(manifest.files.map((file) => file.path));
    const old = records.filter((record) => this.#inside !== "" || record.source === manifest.source)
      .filter((record) => !isSameVersion(record, manifest) || !mayHoldMore(manifest))
      .flatMap((record) => [...record.files, ...record.fetching ?? []]).filter((file) => !own.has(file.path));
    if (old.length === 0) return [];
    const there = await this.#tree();
    const same = old.filter(({ path, size }) => there.get(path) === size);
    const isFile = await eachOf(
      same,
      async ({ path }) => (await lstatOrNull(`${this.directory}/${path}`))?.isFile === true,
    );
    return same.filter((_, at) => isFile[at]);
  }

  /** Sizes of the model's files by path; none behind a link to a folder, which are not the model's own. */
  async #tree(): Promise<ReadonlyMap<string, number>> {
    return await listFiles(this.directory, { skip: isAside });
  }

  #removeStale(files: FilesBelow, stale: readonly StaleFile[]): void {
    if (stale.length === 0) return;
    log.info(`removing ${stale.length} files of an earlier version from ${this.directory}`, {
      files: stale.map((file) => file.path),
    });
    for (const { path } of stale) {
      files.remove(`${this.directory}/${path}`);
      files.remove(`${this.directory}/${metadataPath(path)}`);
    }
  }

  /** What tells whether a file is there, whole. */
  async #presence(
    source: string,
  ): Promise<(file: ManifestFile, prover: FileProver) => Promise<boolean>> {
    const files = await this.#tree();
    const finished = await finishedFiles(this.directory, source);
    const recorded = new Map<string, Set<string>>();
    for (const { path, size, etag } of (await this.#records()).flatMap((record) => record.files)) {
      const known = recorded.get(path) ?? new Set();
      recorded.set(path, known.add(`${size} ${etag}`));
    }
    return async (file, prover) => {
      if (files.get(file.path) !== file.size) return false;
      const path = `${this.directory}/${file.path}`;
      if (!(await lstatOrNull(path))?.isFile) return false;
      if (recorded.get(file.path)?.has(`${file.size} ${file.etag}`)) return true;
      if (finished(file) === file.path) return true;
      if ((await readMetadata(this.directory, file.path))?.etag === file.etag) return true;
      // Of unknown origin (an interrupted run, rsync): its bytes decide, which is cheaper than fetching it again.
      return file.digest !== null && await prover.prove(path, file.digest) !== null;
    };
  }

  /** Where a file may lie in the other layout: as a blob, or in a snapshot where the file system has no links. */
  async #candidates(manifest: Manifest): Promise<(file: ManifestFile) => readonly string[]> {
    const other = this.#other;
    if (other === null || await statOrNull(other) === null) return () => [];
    const known = knownFiles(await snapshotRecords(other, manifest.source));
    const shared = await sharedBlobsOf(other.slice(0, other.lastIndexOf("/")), other);
    return (file) => {
      const recorded = known(file);
      const blob = recorded?.blob ?? (manifest.commit === null || file.etag.includes("/") ? null : file.etag);
      const commit = recorded?.commit ?? manifest.commit;
      return [
        ...(blob === null ? [] : [shared.get(blob) ?? `${other}/blobs/${blob}`]),
        ...(commit === null ? [] : [`${other}/snapshots/${commit}/${file.path}`]),
      ];
    };
  }

  #item(file: ManifestFile): TransferItem {
    const path = `${this.directory}/${file.path}`;
    return { file, staging: `${path}.incomplete`, compute: [], target: () => path };
  }

  /** rename(2) replaces a link, it does not follow it; a folder in a file's place is another matter. */
  async #checkFolders(items: readonly TransferItem[]): Promise<void> {
    for (const [folder, files] of Map.groupBy(items, ({ file }) => folderOf(file.path))) {
      const names = new Set(files.map(({ file }) => nameOf(file.path)));
      for (const { name, isDirectory } of await listFolder(`${this.directory}/${folder}`)) {
        if (isDirectory && names.has(name)) {
          throw folderInTheWay(`${this.directory}/${folder === "" ? "" : `${folder}/`}${name}`);
        }
      }
    }
  }

  #makeFolders(manifest: Manifest): void {
    const folders = new Set([AIM_FOLDER]);
    for (const { path } of manifest.files) {
      folders.add(folderOf(path));
      if (manifest.commit !== null) folders.add(folderOf(metadataPath(path)));
    }
    makeDirectories(
      this.root,
      [...folders].map((folder) => folder === "" ? this.directory : `${this.directory}/${folder}`),
    );
  }
}

/** True where files beside those of the manifest may belong to the same model. A bucket's whole listing says that there are no more. */
function mayHoldMore({ commit, filtered }: Manifest): boolean {
  return commit !== null || filtered === true;
}

function isSameVersion(record: ModelRecord, { source, commit }: Manifest): boolean {
  return record.source === source && record.commit === commit;
}

/** aim's and Python's own, which a listing of the model's files passes over. */
function isAside(path: string): boolean {
  return path === AIM_FOLDER || path === ".cache/huggingface";
}

function folderInTheWay(path: string): AimError {
  return new AimError("no-space", `${path} is a directory, and the model has a file of that name`, {
    hint: "move it away",
  });
}

/** A name near the limit of 255 bytes has no room for `.metadata`: Python fetches that file again. */
function fitsMetadata(path: string): boolean {
  return new TextEncoder().encode(nameOf(metadataPath(path))).length <= 255;
}

/** A file of an earlier version. */
type StaleFile = Pick<RecordedFile, "path" | "size">;
