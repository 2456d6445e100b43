import { AimError } from "../errors/aim_error.ts";
import { errnoOf, errorFrom } from "../errors/from_unknown.ts";
import type { FilesBelow } from "../os/files_below.ts";
import { nodeModule } from "../os/node_module.ts";
import { temporaryOf, writeFile } from "../os/write_file.ts";
import { eachOf } from "../sources/each_of.ts";
import type { CommitSha, Manifest, ManifestFile } from "../sources/manifest.ts";
import { assertRevision } from "../sources/model_ref.ts";
import { hubNameFault } from "../sources/safe_path.ts";
import type { TransferItem } from "../transfer/types.ts";
import { linkOrCopy } from "./adopt_files.ts";
import { cacheRoots, hubFolder } from "./cache_paths.ts";
import { checkNames, checkPublished } from "./check_manifest.ts";
import { commitRecord, flushDirectories, flushFiles } from "./commit_model.ts";
import { lstatOrNull, readTextOrNull } from "./files.ts";
import type { HashPool } from "../transfer/hash/hash_pool.ts";
import { FINISHED, finishedFiles, knownFiles, snapshotRecords } from "./known_files.ts";
import { AIM_FOLDER, below, folderOf, isCommit, nameOf, recordPath } from "./layout.ts";
import { type PlacedFile, Placement, type PresentFile, type PublishedModel } from "./placement.ts";
import { readRecord, type RecordedFile, recordOf } from "./record.ts";
import { lookHub, type ResolveOptions } from "./resolve_model.ts";
import { blobInfo } from "./shared_blobs.ts";
import type { CachePaths, PlaceLookedAt } from "./types.ts";

/** A model in the Hugging Face cache: `HF_HUB_CACHE/models--org--model`. */
export class HubPlacement extends Placement {
  readonly layout = "hub";
  readonly #paths: CachePaths;
  readonly #revision: string;

  /** @throws {AimError} `usage` for a name or a revision that Hugging Face libraries refuse. */
  constructor({ paths, name, revision = "main", quantisation }: ResolveOptions) {
    checkHubName(name);
    assertRevision(revision);
    const [directory, other] = [hubFolder(paths, name), `${paths.cachePath}/${name}`];
    super(name, paths.hfHubCache, directory, other, cacheRoots(paths), quantisation);
    this.#paths = paths;
    this.#revision = revision;
  }

  async existing(manifest: Manifest): Promise<PublishedModel | null> {
    for (const [commit, record] of await snapshotRecords(this.directory, manifest.source)) {
      if (manifest.commit !== null && commit !== manifest.commit) continue;
      if (!isCommit(this.#revision) && await readTextOrNull(this.#ref()) !== commit) continue;
      const path = this.#snapshot(commit);
      if (await this.isUnchanged(record, manifest, path)) return { path, commit };
    }
    return null;
  }

  look(revision = this.#revision): Promise<PlaceLookedAt> {
    const { name, quantisation } = this;
    return lookHub({ paths: this.#paths, name, revision, quantisation });
  }

  check(manifest: Manifest): void {
    checkNames(manifest, this.#snapshot("0".repeat(40)));
    if (manifest.commit !== null) { for (const { etag } of manifest.files) checkBlobName(etag); }
  }

  protected async presence({ source, commit }: Manifest) {
    const known = await knownFiles(this.directory, source);
    const finished = await finishedFiles(this.directory, source);
    return async (file: ManifestFile, hasher: HashPool): Promise<PresentFile | null> => {
      const before = known(file);
      const blob = commit === null ? before?.blob ?? nameOf(finished(file) ?? "") : file.etag;
      if (blob === "") return null;
      const info = await blobInfo(this.root, this.#blob(blob));
      if (info?.size === file.size) return { at: this.#blob(blob) };
      // On a file system without links, the file itself is in the snapshot. Python's client writes no record.
      const holder = before?.commit ?? commit;
      if (holder === null) return null;
      const at = `${this.#snapshot(holder)}/${file.path}`;
      const copy = await lstatOrNull(at);
      if (!copy?.isFile || copy.size !== file.size) return null;
      const isKnown = before !== null || file.digest !== null && await hasher.prove(at, file.digest) !== null;
      return isKnown ? { at, blob } : null;
    };
  }

  protected prepare(): Promise<void> {
    return Promise.resolve(this.makeFolders(["blobs", "refs", "snapshots", AIM_FOLDER]));
  }

  protected candidates(_manifest: Manifest, other: string) {
    return Promise.resolve((file: ManifestFile) => [`${other}/${file.path}`]);
  }

  async publish(manifest: Manifest, placed: readonly PlacedFile[]): Promise<PublishedModel> {
    const own = placed.map(({ file, at, blob = nameOf(at) }) => ({ ...file, blob }));
    const commit = manifest.commit ?? snapshotCommit(own);
    const snapshot = this.#snapshot(commit);
    const folders = [...new Set(own.map(({ path }) => folderOf(path)))]
      .map((folder) => below(`snapshots/${commit}`, folder));
    this.makeFolders([...folders, AIM_FOLDER, below("refs", folderOf(this.#revision))]);
    const { files } = this;
    // The transfer has already flushed the others.
    await flushFiles([...new Set(placed.filter(({ proof }) => !proof).map(({ at }) => at))]);
    await eachOf([...Map.groupBy(placed, ({ at }) => at)], async ([at, sharing]) => {
      const isBlob = folderOf(at) === this.at("blobs");
      for (const { file } of sharing) {
        const path = `${snapshot}/${file.path}`;
        if (isBlob && await this.#link(path, nameOf(at))) continue;
        // Without links, the blob is moved to the last of its files.
        await fill(files, path, at, isBlob && file === sharing.at(-1)?.file);
      }
    });
    await checkPublished(snapshot, manifest.files);
    const recordAt = recordPath({ layout: "hub", path: snapshot });
    const others = await this.othersIn(snapshot, [await readRecord(recordAt)], manifest);
    const record = recordOf(manifest, commit, [...others, ...own]);
    const changed = ["blobs", ...folders].map((folder) => this.at(folder));
    await commitRecord(files, recordAt, record, changed);
    files.remove(this.at(FINISHED));
    // Like huggingface_hub, writes no ref for a commit.
    if (!isCommit(this.#revision) && await readTextOrNull(this.#ref()) !== commit) {
      writeFile(files, this.#ref(), commit);
    }
    await flushDirectories([folderOf(this.#ref()), this.at(AIM_FOLDER)]);
    await this.sweep(["blobs"], manifest.files.map((file) => stagedName(manifest, file)));
    return { path: snapshot, commit };
  }

  /** Makes a link like huggingface_hub's; `false` on a file system without links. */
  async #link(path: string, blob: string): Promise<boolean> {
    const { files } = this;
    const depth = path.slice(this.directory.length).split("/").length - 2;
    const target = `${"../".repeat(depth)}blobs/${blob}`;
    if (await Deno.readLink(path).catch(() => null) === target) return true;
    const temporary = temporaryOf(path);
    try {
      try {
        files.symlink(target, path);
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
        // A killed process may leave the temporary name behind: it is used only to replace another link or
        // file.
        files.symlink(target, temporary);
        files.rename(temporary, path);
      }
      return true;
    } catch (error) {
      files.remove(temporary);
      if (hasNoLinks(error)) return false;
      throw errorFrom(error, `writing ${path}`);
    }
  }

  protected items(manifest: Manifest, files: readonly ManifestFile[]): TransferItem[] {
    const { commit } = manifest;
    // Files with the same content are downloaded once.
    const once = commit === null ? files : [...new Map(files.map((file) => [file.etag, file])).values()];
    return once.map((file): TransferItem => ({
      file,
      staging: `${this.#blob(stagedName(manifest, file))}.incomplete`,
      // S3 has no SHA-256: a blob gets its name once its bytes are hashed.
      compute: commit === null ? ["sha256"] : [],
      target: ({ sha256 }) => {
        const blob = commit === null ? sha256 : file.etag;
        if (blob === undefined) throw new AimError("unexpected", `the SHA-256 of ${file.path} is not known`);
        return this.#blob(blob);
      },
    }));
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

/** The name of a file's blob while it is downloaded. */
function stagedName({ commit, source }: Manifest, file: ManifestFile): string {
  return commit !== null ? file.etag : `s3-${sha1(`${source}\0${file.path}`)}`;
}

/** In place of a commit, for files from S3: SHA-1 over the sorted paths and their SHA-256. */
function snapshotCommit(files: readonly RecordedFile[]): CommitSha {
  const lines = files.map(({ path, blob }) => `${path}\0${blob}\n`).sort();
  return sha1(lines.join("")) as CommitSha;
}

function sha1(text: string): string {
  return nodeModule("node:crypto").createHash("sha1").update(text).digest("hex");
}

/** Refuses names that Hugging Face libraries cannot load. In a folder's name, they write `/` as `--`. */
function checkHubName(name: string): void {
  const fault = hubNameFault(name);
  if (fault === null) return;
  const message = `${JSON.stringify(name)} cannot be loaded from the Hugging Face cache: ${fault}`;
  throw new AimError("usage", message, {
    hint: "give it another name with --model-name, or use the local directory layout",
  });
}

function checkBlobName(etag: string): void {
  if (/^[A-Za-z0-9._-]{1,128}$/.test(etag) && !/^\.+$/.test(etag)) return;
  throw new AimError("integrity", `the ETag ${JSON.stringify(etag)} cannot be the name of a blob`, {
    hint: "use the local directory layout for this source",
  });
}

/** vfat and some network file systems have no symbolic links. */
function hasNoLinks(error: unknown): boolean {
  return ["EPERM", "EOPNOTSUPP", "ENOSYS"].includes(errnoOf(error) ?? "") ||
    error instanceof Deno.errors.NotSupported;
}

/** Creates a path with a file's bytes: by moving it (if allowed), else by hard link, else by copying. */
async function fill(files: FilesBelow, path: string, from: string, mayMove: boolean): Promise<void> {
  if (path === from) return;
  const temporary = temporaryOf(path);
  try {
    if (!mayMove) await linkOrCopy(files, from, temporary);
    files.rename(mayMove ? from : temporary, path);
  } catch (error) {
    throw errorFrom(error, `writing ${path}`);
  } finally {
    // rename(2) does nothing if both names are links to the same file.
    files.remove(temporary);
  }
}
