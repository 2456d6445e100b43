import { AimError } from "../errors/aim_error.ts";
import { type FilesBelow, filesBelow, makeDirectories } from "../os/files_below.ts";
import { eachOf } from "../sources/each_of.ts";
import type { Manifest, ManifestFile } from "../sources/manifest.ts";
import { leftovers, stemOf } from "../transfer/staging_names.ts";
import type { TransferItem, TransferredFile, TransferResult } from "../transfer/types.ts";
import { adoptFiles } from "./adopt_files.ts";
import { entriesOf, listFiles, listTree, lstatOrNull, statOrNull } from "./files.ts";
import { HashPool } from "../transfer/hash/hash_pool.ts";
import { type FinishedLog, finishedLog, keyOf } from "./known_files.ts";
import { AIM_FOLDER, below } from "./layout.ts";
import type { ModelRecord, RecordedFile } from "./record.ts";
import type { LayoutName, PlaceLookedAt } from "./types.ts";

export interface PublishedModel {
  /** The local directory, or the snapshot. */
  readonly path: string;
  readonly commit: string | null;
}

/** What a download must fetch, and the complete files on disk by their path in the model. */
export interface PlacementPlan {
  readonly items: readonly TransferItem[];
  readonly present: ReadonlyMap<string, PresentFile>;
}

export interface PresentFile {
  /** Absolute: its own path, its blob's, or one in a snapshot on a file system without links. */
  readonly at: string;
  /** The name of its blob, if that is not in the path. */
  readonly blob?: string;
}

/** A complete file of a model that is not published yet. */
export interface PlacedFile extends PresentFile {
  readonly file: ManifestFile;
  /** How this run has verified its bytes, and flushed them. @default {it is from an earlier run} */
  readonly proof?: TransferredFile["proof"];
}

/** The files of a plan whose transfer is finished. */
export function placedFiles(
  { files }: Manifest,
  { present }: PlacementPlan,
  result: TransferResult,
): PlacedFile[] {
  const found = new Map<string, Omit<PlacedFile, "file">>([
    ...present,
    ...result.files.map(({ file, target, proof }) => [file.path, { at: target, proof }] as const),
  ]);
  // Files with the same content may have been downloaded once.
  const twins = new Map(
    files.map(({ path, etag }) => [etag, found.get(path)] as const).filter(([, one]) => one),
  );
  return files.map((file) => {
    const one = found.get(file.path) ?? twins.get(file.etag);
    if (one === undefined) throw new AimError("unexpected", `${file.path} was not downloaded`);
    return { file, ...one };
  });
}

interface PlanOptions {
  /** Ignores files on disk. @default {false} */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

/** One model in one layout while it is downloaded: `plan`, `begin`, then a transfer, then `publish`. */
export abstract class Placement {
  abstract readonly layout: LayoutName;

  constructor(
    /** `org/model`. */
    readonly name: string,
    /** The trusted directory above the model's own. No link below it is followed. */
    readonly root: string,
    /** The model's own directory, with the lease and all partial files. */
    readonly directory: string,
    /** The model's folder in the other layout; `null` outside of the caches. */
    protected readonly other: string | null,
    /** Links may point only into these folders. */
    protected readonly roots: readonly string[],
    readonly quantisation: string | undefined,
  ) {}

  /** The published model, if its record and file sizes show that a download has nothing to do. */
  abstract existing(manifest: Manifest): Promise<PublishedModel | null>;

  /** Judges the model on disk, without contacting its source. */
  abstract look(revision: string | undefined): Promise<PlaceLookedAt>;

  /** @throws {AimError} `integrity` for a file name that is not possible in this layout. */
  abstract check(manifest: Manifest): void;

  /** Plans the download of a checked manifest. Creates nothing. */
  async plan(manifest: Manifest, { force = false, signal }: PlanOptions): Promise<PlacementPlan> {
    const present = new Map<string, PresentFile>();
    const find = force ? () => Promise.resolve(null) : await this.presence(manifest);
    using hasher = new HashPool({ signal });
    await eachOf(manifest.files, async (file) => {
      const found = await find(file, hasher);
      if (found !== null) present.set(file.path, found);
    });
    const missing = manifest.files.filter(({ path }) => !present.has(path));
    return { items: this.items(manifest, missing), present };
  }

  /** A function that finds a complete file on disk. */
  protected abstract presence(
    manifest: Manifest,
  ): Promise<(file: ManifestFile, hasher: HashPool) => Promise<PresentFile | null>>;

  protected abstract items(manifest: Manifest, files: readonly ManifestFile[]): TransferItem[];

  /**
   * Prepares a transfer, and links files of the other layout whose digest is right. Returns what remains of
   * the plan.
   */
  async begin(
    manifest: Manifest,
    plan: PlacementPlan,
    { force = false, signal }: PlanOptions,
  ): Promise<PlacementPlan> {
    await this.prepare(manifest, plan);
    const { items, present } = plan;
    const { other } = this;
    if (force || items.length === 0 || other === null || await statOrNull(other) === null) return plan;
    const adopted = await adoptFiles(this.files, items, await this.candidates(manifest, other), signal);
    return {
      items: items.filter(({ file }) => !adopted.has(file.path)),
      present: new Map([...present, ...adopted]),
    };
  }

  /** Makes directories. Marks a model that the transfer changes as incomplete. */
  protected abstract prepare(manifest: Manifest, plan: PlacementPlan): Promise<void>;

  /** A function that finds where the other layout may have a file. */
  protected abstract candidates(
    manifest: Manifest,
    other: string,
  ): Promise<(file: ManifestFile) => readonly string[]>;

  /** Makes placed files a model: links or Python's metadata, then the record, then the ref. Idempotent. */
  abstract publish(manifest: Manifest, placed: readonly PlacedFile[]): Promise<PublishedModel>;

  /**
   * Makes the directory of the lease. @throws {AimError} `no-space` if a planted link would lead out of the
   * cache.
   */
  secure(): void {
    this.makeFolders([AIM_FOLDER]);
  }

  log({ source }: Manifest): FinishedLog {
    return finishedLog(this.files, this.directory, source);
  }

  protected get files(): FilesBelow {
    return filesBelow(this.root);
  }

  protected at(path: string): string {
    return below(this.directory, path);
  }

  protected makeFolders(folders: Iterable<string>): void {
    makeDirectories(this.root, [...folders].map((folder) => this.at(folder)));
  }

  /**
   * Files of the same version that downloads with other filters fetched into a folder: they stay recorded. A
   * bucket has no commits, so none of its files is kept once one of them has changed.
   */
  protected async othersIn(
    folder: string,
    records: readonly (ModelRecord | null)[],
    manifest: Manifest,
  ): Promise<RecordedFile[]> {
    if (!mayHoldMore(manifest)) return [];
    const own = new Map<string, string>(manifest.files.map((file) => [file.path, keyOf(file)]));
    const same = records.flatMap((record) =>
      record !== null && isSameVersion(record, manifest) ? record.files : []
    );
    const changed = same.some((file) => (own.get(file.path) ?? keyOf(file)) !== keyOf(file));
    return changed ? [] : await this.stillIn(folder, same, manifest);
  }

  /** Recorded files that are not in the manifest, but still in a folder with their recorded size. */
  protected async stillIn<File extends Pick<RecordedFile, "path" | "size">>(
    folder: string,
    recorded: readonly File[],
    { files }: Manifest,
  ): Promise<File[]> {
    const own = new Set<string>(files.map(({ path }) => path));
    const others = recorded.filter(({ path }) => !own.has(path));
    if (others.length === 0) return [];
    const sizes = await listFiles(folder);
    return others.filter(({ path, size }) => sizes.get(path) === size);
  }

  /**
   * True if a record lists all files of a manifest unchanged, and all of its files are in a folder with their
   * recorded size.
   */
  protected async isUnchanged(record: ModelRecord, manifest: Manifest, folder: string): Promise<boolean> {
    const known = new Set(record.files.map(keyOf));
    if (!manifest.files.every((file) => known.has(keyOf(file)))) return false;
    if (!mayHoldMore(manifest) && known.size !== manifest.files.length) return false;
    const { files, strays } = await listTree(folder, this.roots);
    return strays.size === 0 && record.files.every(({ path, size }) => files.get(path) === size);
  }

  /**
   * Removes temporary files that killed processes have left in the model's folders, and partial files of
   * files that are complete now. Other partial files, such as another revision's, are kept for their own
   * download.
   *
   * @param folders Relative to the directory, in addition to its `.aim`.
   * @param names Names that the complete files had during the download, without folders.
   */
  protected async sweep(folders: Iterable<string>, names: readonly string[]): Promise<void> {
    const own = new Set(names);
    const whole = new Set(names.map(stemOf));
    for (const folder of new Set([...folders, AIM_FOLDER])) {
      for (const { name, isDirectory } of await entriesOf(this.at(folder))) {
        // The model itself may have a file with such a name.
        if (isDirectory || own.has(name)) continue;
        const [stem] = leftovers([name]).keys();
        const isLeft = stem !== undefined && whole.has(stem);
        if (!isLeft && !(folder === AIM_FOLDER ? TEMPORARY : LINK).test(name)) continue;
        const path = `${this.at(folder)}/${name}`;
        const info = await lstatOrNull(path);
        if (info !== null && Date.now() - (info.mtime?.getTime() ?? 0) >= DEAD) this.files.remove(path);
      }
    }
  }
}

/** Names of aim's temporary files, next to the model's files and in its own folder. */
const LINK = /^\.link\.aim-[0-9a-f]{8}\.incomplete$/;
const TEMPORARY = /\.[0-9a-f]{8}\.tmp$/;

/** Milliseconds without a change after which a partial file is abandoned: several times the stall timeout. */
const DEAD = 60 * 60_000;

/**
 * True if the model may have files that the manifest does not list. A complete listing of a bucket lists all
 * files.
 */
export function mayHoldMore({ commit, filtered }: Manifest): boolean {
  return commit !== null || filtered === true;
}

export function isSameVersion(record: ModelRecord, { source, commit }: Manifest): boolean {
  return record.source === source && record.commit === commit;
}
