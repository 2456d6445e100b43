import { resolve } from "@std/path";
import { AimError } from "../errors/aim_error.ts";
import { log } from "../log/logger.ts";
import { writeFile } from "../os/write_file.ts";
import type { Manifest, ManifestFile } from "../sources/manifest.ts";
import type { TransferItem } from "../transfer/types.ts";
import { cacheRoots, hubFolder } from "./cache_paths.ts";
import { checkNames, checkPublished } from "./check_manifest.ts";
import { commitRecord, flushDirectories, flushFiles } from "./commit_model.ts";
import { eachOf } from "../sources/each_of.ts";
import { entriesOf, listFiles, lstatOrNull, statOrNull } from "./files.ts";
import type { HashPool } from "../transfer/hash/hash_pool.ts";
import { FINISHED, finishedFiles, keyOf, knownFiles } from "./known_files.ts";
import { AIM_FOLDER, folderOf, MANIFEST, nameOf, UNFINISHED } from "./layout.ts";
import {
  isSameVersion,
  mayHoldMore,
  type PlacedFile,
  Placement,
  type PlacementPlan,
  type PresentFile,
  type PublishedModel,
} from "./placement.ts";
import { DOWNLOADS, metadataPath, readMetadata, writeMetadata } from "./python_metadata.ts";
import { type ModelRecord, readRecord, type RecordedFile, recordOf } from "./record.ts";
import { lookAt, type ResolveOptions } from "./resolve_model.ts";
import { sharedBlobsOf } from "./shared_blobs.ts";
import type { PlaceLookedAt } from "./types.ts";

/** A local directory in the cache: `AIM_CACHE_PATH/org/model`. */
export function localPlacement({ paths, name, quantisation }: ResolveOptions): Placement {
  const [directory, other] = [`${paths.cachePath}/${name}`, hubFolder(paths, name)];
  return new LocalPlacement(name, paths.cachePath, directory, other, cacheRoots(paths), quantisation);
}

/** Exactly this directory, in the layout of a local directory. */
export function directPlacement(
  { directory, quantisation }: { directory: string; quantisation?: string | undefined },
): Placement {
  const base = resolve(directory);
  return new LocalPlacement(base, base, base, null, [base], quantisation);
}

class LocalPlacement extends Placement {
  readonly layout = "local";

  async existing(manifest: Manifest): Promise<PublishedModel | null> {
    const record = await readRecord(this.at(MANIFEST));
    if (record === null || !isSameVersion(record, manifest)) return null;
    if (await statOrNull(this.at(UNFINISHED)) !== null) return null;
    if (!await this.isUnchanged(record, manifest, this.directory)) return null;
    return { path: this.directory, commit: record.commit };
  }

  look(revision: string | undefined): Promise<PlaceLookedAt> {
    const { directory: path, roots, quantisation } = this;
    return lookAt({ layout: "local", path }, roots, { revision, quantisation });
  }

  check(manifest: Manifest): void {
    checkNames(manifest, this.at(DOWNLOADS));
  }

  protected items(_manifest: Manifest, files: readonly ManifestFile[]): TransferItem[] {
    return files.map((file) => {
      const path = this.at(file.path);
      return { file, staging: `${path}.incomplete`, compute: [], target: () => path };
    });
  }

  protected async prepare(manifest: Manifest, plan: PlacementPlan): Promise<void> {
    this.makeFolders(new Set([AIM_FOLDER, ...manifest.files.map(({ path }) => folderOf(path))]));
    await this.#checkFolders(plan.items);
    const before = await this.#records();
    const stale = await this.#staleFiles(manifest, before);
    if (plan.items.length + stale.length === 0) return;
    // From here until the manifest is written, the model is incomplete.
    const present = manifest.files.filter(({ path }) => plan.present.has(path));
    const others = await this.othersIn(this.directory, before, manifest);
    const record: ModelRecord = {
      ...recordOf(manifest, manifest.commit, [...others, ...present]),
      fetching: [...plan.items.map(({ file }) => file), ...stale].map(({ path, size }) => ({ path, size })),
    };
    await flushFiles(record.files.map(({ path }) => this.at(path)));
    await commitRecord(this.files, this.at(UNFINISHED), record, []);
    this.#removeStale(stale);
    this.files.remove(this.at(MANIFEST));
    await flushDirectories([this.at(AIM_FOLDER)]);
  }

  async publish(manifest: Manifest, placed: readonly PlacedFile[]): Promise<PublishedModel> {
    const others = await this.othersIn(this.directory, await this.#records(), manifest);
    const modified = await checkPublished(this.directory, manifest.files);
    const record = recordOf(manifest, manifest.commit, [...others, ...manifest.files]);
    // The transfer has already flushed the others.
    const before = placed.filter(({ proof }) => !proof).map(({ file }) => file);
    await flushFiles([...others, ...before].map(({ path }) => this.at(path)));
    await this.#writePythonFiles(manifest, new Set(before), modified);
    const folders = new Set(record.files.map(({ path }) => folderOf(path)));
    await commitRecord(this.files, this.at(MANIFEST), record, [...folders].map((folder) => this.at(folder)));
    for (const name of [UNFINISHED, FINISHED]) this.files.remove(this.at(name));
    await flushDirectories([this.at(AIM_FOLDER)]);
    await this.sweep(folders, record.files.map(({ path }) => nameOf(path)));
    return { path: this.directory, commit: manifest.commit };
  }

  /** Writes the metadata that makes Python's `snapshot_download(local_dir=…)` accept the files. */
  async #writePythonFiles(
    { commit, files }: Manifest,
    before: ReadonlySet<ManifestFile>,
    modified: ReadonlyMap<string, number>,
  ): Promise<void> {
    if (commit === null) return;
    const folders = new Set(files.map(({ path }) => folderOf(metadataPath(path))));
    this.makeFolders(folders);
    const ignore = this.at(".cache/huggingface/.gitignore");
    if (await lstatOrNull(ignore) === null) writeFile(this.files, ignore, "*");
    for (const file of files) {
      const { path, etag } = file;
      if (!fitsMetadata(path) || folders.has(metadataPath(path))) continue;
      const known = before.has(file) ? await readMetadata(this.directory, path) : null;
      if (known?.commit === commit && known.etag === etag) continue;
      // If a file server's clock is ahead, the file is newer than now: to Python, it would look changed.
      const timestamp = Math.max(Date.now(), modified.get(path) ?? 0) / 1000;
      writeMetadata(this.files, this.directory, path, { commit, etag, timestamp });
    }
  }

  async #records(): Promise<ModelRecord[]> {
    const records = await Promise.all([UNFINISHED, MANIFEST].map((path) => readRecord(this.at(path))));
    return records.filter((record) => record !== null);
  }

  /**
   * Unchanged files of another version that this one does not have: an engine that loads all weights would
   * mix the two. Outside the caches, files of other sources are the user's own.
   */
  async #staleFiles(manifest: Manifest, records: readonly ModelRecord[]): Promise<StaleFile[]> {
    const old = records
      .filter(({ source }) => this.directory !== this.root || source === manifest.source)
      .filter((record) => !isSameVersion(record, manifest) || !mayHoldMore(manifest))
      .flatMap((record): StaleFile[] => [...record.files, ...record.fetching ?? []]);
    const same = await this.stillIn(this.directory, old, manifest);
    const isFile = await eachOf(same, async ({ path }) => (await lstatOrNull(this.at(path)))?.isFile);
    return same.filter((_, at) => isFile[at]);
  }

  #removeStale(stale: readonly StaleFile[]): void {
    if (stale.length === 0) return;
    log.info(`removing what an earlier version left in ${this.directory}`, {
      files: stale.map((file) => file.path),
    });
    for (const { path } of stale) {
      this.files.remove(this.at(path));
      this.files.remove(this.at(metadataPath(path)));
    }
  }

  protected async presence({ source }: Manifest) {
    const sizes = await listFiles(this.directory);
    const finished = await finishedFiles(this.directory, source);
    const recorded = new Set((await this.#records()).flatMap(({ files }) => files.map(keyOf)));
    return async (file: ManifestFile, hasher: HashPool): Promise<PresentFile | null> => {
      const at = this.at(file.path);
      if (sizes.get(file.path) !== file.size || !(await lstatOrNull(at))?.isFile) return null;
      const isKnown = recorded.has(keyOf(file)) || finished(file) !== null ||
        (await readMetadata(this.directory, file.path))?.etag === file.etag ||
        // From an interrupted run or a copy: hashing it is cheaper than downloading it again.
        file.digest !== null && await hasher.prove(at, file.digest) !== null;
      return isKnown ? { at } : null;
    };
  }

  /** In the hub's layout: a blob, or a file in a snapshot if the file system has no links. */
  protected async candidates({ source, commit }: Manifest, other: string) {
    const known = await knownFiles(other, source);
    const shared = await sharedBlobsOf(folderOf(other), other);
    return (file: ManifestFile) => {
      const recorded = known(file);
      const blob = recorded?.blob ?? (commit === null || file.etag.includes("/") ? null : file.etag);
      const snapshot = recorded?.commit ?? commit;
      return [
        ...(blob === null ? [] : [shared.get(blob) ?? `${other}/blobs/${blob}`]),
        ...(snapshot === null ? [] : [`${other}/snapshots/${snapshot}/${file.path}`]),
      ];
    };
  }

  /** rename(2) cannot replace a directory, and would fail only after the download. */
  async #checkFolders(items: readonly TransferItem[]): Promise<void> {
    for (const [folder, files] of Map.groupBy(items, ({ file }) => folderOf(file.path))) {
      const names = new Set(files.map(({ file }) => nameOf(file.path)));
      const entries = await entriesOf(this.at(folder));
      const inTheWay = entries.find((entry) => entry.isDirectory && names.has(entry.name));
      if (inTheWay === undefined) continue;
      const path = `${this.at(folder)}/${inTheWay.name}`;
      throw new AimError("no-space", `${path} is a directory, but the model has a file of that name`, {
        hint: "move it away",
      });
    }
  }
}

/** A name of almost 255 bytes leaves no space for `.metadata`: Python downloads that file again. */
function fitsMetadata(path: string): boolean {
  return new TextEncoder().encode(nameOf(metadataPath(path))).length <= 255;
}

/** A file of an earlier version. */
type StaleFile = Pick<RecordedFile, "path" | "size">;
