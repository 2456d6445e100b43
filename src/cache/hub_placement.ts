import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { temporaryOf } from "../os/temporary_of.ts";
import { writeFile } from "../os/write_file.ts";
import type { CommitSha, Manifest, ManifestFile } from "../sources/manifest.ts";
import { assertRevision } from "../sources/model_ref.ts";
import type { TransferItem, TransferResult } from "../transfer/types.ts";
import { cacheRoots, hubFolder } from "./cache_paths.ts";
import { checkNames } from "./check_names.ts";
import { checkPublished } from "./check_published.ts";
import { commitModel } from "./commit_model.ts";
import { copyFile } from "./copy_file.ts";
import { eachOf } from "../sources/each_of.ts";
import { listTree, lstatOrNull, readTextOrNull, statOrNull } from "./files.ts";
import { FINISHED, finishedFiles } from "./finished_files.ts";
import { type KnownFile, knownFiles, snapshotRecords } from "./known_blobs.ts";
import { AIM_FOLDER, below, folderOf, isCommit, nameOf, snapshotRecord } from "./layout.ts";
import { strayLinks } from "./links.ts";
import { checkHubName } from "./local_name.ts";
import { ModelDirectory } from "./model_directory.ts";
import { type FileProver, withProver } from "./prove_file.ts";
import { covers, readRecord, type RecordedFile, recordOf, withFiles } from "./record.ts";
import { lookHub } from "./resolve_model.ts";
import { blobInfo } from "./shared_blobs.ts";
import { sweepLeftovers } from "./sweep_leftovers.ts";
import { storedModel } from "./stored_model.ts";
import type {
  CachePaths,
  Placement,
  PlacementPlan,
  PlanOptions,
  PublishedModel,
  StoredModel,
} from "./types.ts";

/** A model in the Hugging Face cache: `HF_HUB_CACHE/models--org--model`. */
export function hubPlacement(
  { paths, name, revision, quantisation }: {
    paths: CachePaths;
    name: string;
    revision?: string | undefined;
    quantisation?: string | undefined;
  },
): Placement {
  checkHubName(name);
  if (revision !== undefined) assertRevision(revision);
  return new HubPlacement(name, paths, revision ?? "main", quantisation);
}

class HubPlacement extends ModelDirectory implements Placement {
  readonly layout = "hub";
  readonly #paths: CachePaths;
  readonly #revision: string;
  /** `undefined`: the complete model. */
  readonly #quantisation: string | undefined;

  constructor(name: string, paths: CachePaths, revision: string, quantisation: string | undefined) {
    super(name, paths.hub, hubFolder(paths, name));
    this.#paths = paths;
    this.#revision = revision;
    this.#quantisation = quantisation;
  }

  async existing(manifest: Manifest): Promise<PublishedModel | null> {
    for (const record of await snapshotRecords(this.directory, manifest.source)) {
      const { commit } = record;
      if (commit === null || (manifest.commit !== null && commit !== manifest.commit)) continue;
      // A snapshot may have more files of its commit; a bucket that lists fewer files than before was changed.
      const mayHoldMore = manifest.commit !== null || manifest.filtered === true;
      if (!mayHoldMore && record.files.length !== manifest.files.length) continue;
      if (!covers(record, manifest)) continue;
      if (!isCommit(this.#revision) && await readTextOrNull(this.#ref()) !== commit) continue;
      const path = this.#snapshot(commit);
      const { files, links } = await listTree(path);
      if (record.files.some((file) => files.get(file.path) !== file.size)) continue;
      if (strayLinks(path, links, cacheRoots(this.#paths)).size > 0) continue;
      return { path, commit };
    }
    return null;
  }

  async lookUp(revision: string | undefined): Promise<StoredModel | null> {
    const quantisation = this.#quantisation;
    const { snapshot } = await lookHub(this.#paths, this.name, revision ?? this.#revision, quantisation);
    if (snapshot === null) return null;
    const commit = nameOf(snapshot);
    const record = await readRecord(snapshotRecord(this.directory, commit));
    return await storedModel(snapshot, record, commit, quantisation);
  }

  check(manifest: Manifest): void {
    checkNames(manifest, this.#snapshot("0".repeat(40)));
    if (manifest.commit !== null) { for (const { etag } of manifest.files) checkBlobName(etag); }
  }

  async plan(manifest: Manifest, { force = false, signal }: PlanOptions = {}): Promise<PlacementPlan> {
    this.check(manifest);
    const blobs = new Map<string, string>();
    const copies = new Map<string, string>();
    if (!force) {
      const known = knownFiles(await snapshotRecords(this.directory, manifest.source));
      const finished = await finishedFiles(this.directory, manifest.source);
      await withProver(signal, (prover) =>
        eachOf(manifest.files, async (file) => {
          const before = known(file);
          const blob = manifest.commit === null ? before?.blob ?? blobAt(finished(file)) : file.etag;
          if (blob === undefined) return;
          const info = await blobInfo(this.#paths.hub, this.#blob(blob));
          const copy = info?.size === file.size
            ? null
            : await this.#copy(file, manifest.commit, before, prover);
          if (copy === undefined) return;
          blobs.set(file.path, blob);
          if (copy !== null) copies.set(file.path, copy);
        }));
    }
    const missing = manifest.files.filter((file) => !blobs.has(file.path));
    return {
      items: await this.#items(manifest, missing),
      present: manifest.files.filter((file) => blobs.has(file.path)),
      blobs,
      copies,
      adopt: !force,
    };
  }

  async begin(manifest: Manifest, plan: PlacementPlan, signal?: AbortSignal): Promise<PlacementPlan> {
    this.makeFolders(["blobs", "refs", "snapshots", AIM_FOLDER]);
    const local = `${this.#paths.root}/${this.name}`;
    if (plan.items.length === 0 || !plan.adopt || await statOrNull(local) === null) return plan;
    const { plan: rest, adopted } = await this.adopt(plan, (file) => [`${local}/${file.path}`], signal);
    const blobs = new Map(plan.blobs);
    for (const [path, target] of adopted) blobs.set(path, nameOf(target));
    return { ...rest, present: manifest.files.filter((file) => blobs.has(file.path)), blobs };
  }

  async publish(manifest: Manifest, plan: PlacementPlan, result: TransferResult): Promise<PublishedModel> {
    const blobs = blobsOf(manifest, plan, result);
    const commit = manifest.commit ?? await snapshotCommit(manifest, blobs);
    const snapshot = this.#snapshot(commit);
    const folders = [...new Set(manifest.files.map((file) => folderOf(file.path)))]
      .map((folder) => below(`snapshots/${commit}`, folder));
    this.makeFolders([...folders, AIM_FOLDER, below("refs", folderOf(this.#revision))]);
    const { files } = this;
    // Without links, the last file that uses a blob takes the blob itself, so those of one blob come in order.
    const uses = Map.groupBy(manifest.files, (file) => blobs.get(file.path) ?? "");
    const fetched = new Set(result.files.map(({ target }) => nameOf(target)));
    const kept = [...uses.keys()].filter((blob) => !fetched.has(blob)).map((blob) => this.#blob(blob));
    const record = recordOf(manifest, commit, blobs, new Date());
    await commitModel({
      files,
      unflushed: [...kept, ...plan.copies.values()].filter(exists),
      directories: [this.at("blobs")],
      prepare: async () => {
        await eachOf([...uses], async ([blob, sharing]) => {
          for (const [at, file] of sharing.entries()) {
            const copy = plan.copies.get(file.path);
            if (copy === undefined) await this.#place(snapshot, file, blob, at === sharing.length - 1);
            else await fill(files, `${snapshot}/${file.path}`, copy, false);
          }
        });
        await checkPublished(snapshot, manifest.files);
        return folders.map((folder) => this.at(folder));
      },
      record: withFiles(record, await this.#otherFiles(manifest, commit)),
      path: snapshotRecord(this.directory, commit),
      finish: async () => {
        files.remove(this.at(FINISHED));
        // Like huggingface_hub, no ref for a commit.
        if (!isCommit(this.#revision) && await readTextOrNull(this.#ref()) !== commit) {
          writeFile(files, this.#ref(), commit);
        }
        return [folderOf(this.#ref()), this.at(AIM_FOLDER)];
      },
    });
    const staged = await eachOf(manifest.files, (file) => this.#stagedName(manifest, file));
    await sweepLeftovers(files, this.directory, ["blobs"], staged);
    return { path: snapshot, commit };
  }

  /**
   * The path of a complete file in a snapshot on a file system without links, to which Python's client moves
   * files too; `undefined` if there is none.
   */
  async #copy(
    file: ManifestFile,
    commit: string | null,
    before: KnownFile | null,
    prover: FileProver,
  ): Promise<string | undefined> {
    // Python's client makes snapshots without a record.
    const holder = before?.commit ?? commit;
    if (holder === null) return undefined;
    const path = `${this.#snapshot(holder)}/${file.path}`;
    const info = await lstatOrNull(path);
    if (!info?.isFile || info.size !== file.size) return undefined;
    if (before !== null) return path;
    return file.digest !== null && await prover.prove(path, file.digest) !== null ? path : undefined;
  }

  /** Makes a link like huggingface_hub's, or the file itself on a file system without links. */
  async #place(snapshot: string, file: ManifestFile, blob: string, lastUse: boolean): Promise<void> {
    const { files } = this;
    const path = `${snapshot}/${file.path}`;
    const target = `${"../".repeat(file.path.split("/").length + 1)}blobs/${blob}`;
    const temporary = temporaryOf(path);
    try {
      try {
        files.symlink(target, path);
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
        if (await linkOf(path) === target) return;
        files.symlink(target, temporary);
        files.rename(temporary, path);
      }
    } catch (error) {
      files.remove(temporary);
      if (!hasNoLinks(error)) throw errorFrom(error, `writing ${path}`);
      await fill(files, path, this.#blob(blob), lastUse);
    }
  }

  /** Files of the same commit that other downloads, with other filters, fetched: they stay recorded. */
  async #otherFiles(manifest: Manifest, commit: string): Promise<RecordedFile[]> {
    const record = manifest.commit === null ? null : await readRecord(snapshotRecord(this.directory, commit));
    if (record?.source !== manifest.source) return [];
    return await this.othersIn(this.#snapshot(commit), record.files, manifest);
  }

  async #items(manifest: Manifest, files: readonly ManifestFile[]): Promise<TransferItem[]> {
    if (manifest.commit !== null) {
      const once = new Map(files.map((file) => [file.etag, file]));
      return [...once.values()].map((file): TransferItem => {
        const path = this.#blob(file.etag);
        return { file, staging: `${path}.incomplete`, compute: [], target: () => path };
      });
    }
    // S3 has no SHA-256: a blob gets its name when its bytes are hashed.
    return await eachOf(files, async (file): Promise<TransferItem> => ({
      file,
      staging: `${this.#blob(await this.#stagedName(manifest, file))}.incomplete`,
      compute: ["sha256"],
      target: ({ sha256 }) => {
        if (sha256 === undefined) {
          throw new AimError("unexpected", `the SHA-256 of ${file.path} is not known`);
        }
        return this.#blob(sha256);
      },
    }));
  }

  /** The name of a file's blob while it is downloaded. */
  async #stagedName(manifest: Manifest, file: ManifestFile): Promise<string> {
    return manifest.commit !== null ? file.etag : `s3-${await sha1(`${manifest.source}\0${file.path}`)}`;
  }

  #blob(name: string): string {
    return this.at(`blobs/${name}`);
  }

  #snapshot(commit: string): string {
    return this.at(`snapshots/${commit}`);
  }

  #ref(): string {
    return this.at(`refs/${this.#revision}`);
  }
}

/** The blob of every file; files with the same content are downloaded once. */
function blobsOf(
  manifest: Manifest,
  plan: PlacementPlan,
  result: TransferResult,
): ReadonlyMap<string, string> {
  const blobs = new Map(plan.blobs);
  for (const { file, target } of result.files) blobs.set(file.path, nameOf(target));
  const twins = new Map<string, string>();
  for (const { path, etag, size } of manifest.files) {
    const blob = blobs.get(path);
    if (blob !== undefined && !plan.copies.has(path)) twins.set(`${size} ${etag}`, blob);
  }
  for (const { path, etag, size } of manifest.files) {
    const blob = blobs.get(path) ?? twins.get(`${size} ${etag}`);
    if (blob === undefined) throw new AimError("unexpected", `${path} has no blob`);
    blobs.set(path, blob);
  }
  return blobs;
}

/** In place of a commit, for files from S3: SHA-1 over the sorted paths and their SHA-256. */
async function snapshotCommit(manifest: Manifest, blobs: ReadonlyMap<string, string>): Promise<CommitSha> {
  const lines = manifest.files.map((file) => file.path).sort().map((path) => `${path}\0${blobs.get(path)}\n`);
  return await sha1(lines.join("")) as CommitSha;
}

async function sha1(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text))).toHex();
}

function checkBlobName(etag: string): void {
  if (/^[A-Za-z0-9._-]{1,128}$/.test(etag) && !/^\.+$/.test(etag)) return;
  throw new AimError("integrity", `${JSON.stringify(etag)} is an ETag that cannot be the name of a blob`, {
    hint: "use the local directory layout for this source",
  });
}

async function linkOf(path: string): Promise<string | null> {
  try {
    return await Deno.readLink(path);
  } catch {
    return null;
  }
}

/** vfat and some network file systems have no symbolic links. */
function hasNoLinks(error: unknown): boolean {
  return ["EPERM", "EOPNOTSUPP", "ENOSYS"].includes(errnoOf(error) ?? "") ||
    error instanceof Deno.errors.NotSupported;
}

/** Gives a path the bytes of another file: by hard link, else by moving it (if allowed), else by copying. */
async function fill(files: FilesBelow, path: string, from: string, mayMove: boolean): Promise<void> {
  if (path === from) return;
  const temporary = temporaryOf(path);
  try {
    try {
      files.link(from, temporary);
    } catch {
      if (mayMove) return files.rename(from, path);
      await copyFile(files, from, temporary);
    }
    files.rename(temporary, path);
  } catch (error) {
    throw errorFrom(error, `writing ${path}`);
  } finally {
    // rename(2) does nothing if both names are links to the same file.
    files.remove(temporary);
  }
}

/** The name of a blob, from its path in the model's folder. */
function blobAt(path: string | null): string | undefined {
  return path === null ? undefined : /^blobs\/([^/]+)$/.exec(path)?.[1];
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
