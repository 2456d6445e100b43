import { createHash } from "node:crypto";
import { AimError, errnoOf, errorFrom } from "../errors/mod.ts";
import {
  assertRevision,
  assertSafePath,
  type CommitSha,
  type Manifest,
  type ManifestFile,
} from "../sources/mod.ts";
import type { TransferItem, TransferResult } from "../transfer/mod.ts";
import { adoptFiles } from "./adopt_files.ts";
import { hubFolder } from "./cache_paths.ts";
import {
  isAbsence,
  lstatOrNull,
  makeInside,
  readTextOrNull,
  removeIfThere,
  statOrNull,
  writeAtomically,
} from "./files.ts";
import { checkLocalName } from "./local_name.ts";
import { AIM_FOLDER, eachOf } from "./local_placement.ts";
import { lookHub } from "./resolve_model.ts";
import { storedModel } from "./stored_model.ts";
import { type ModelRecord, readRecord, recordOf, sameFiles, writeRecord } from "./record.ts";
import type { CachePaths, Placement, PlacementPlan, PublishedModel, StoredModel } from "./types.ts";

const COMMIT = /^[0-9a-f]{40}$/;

/** A model in the Hugging Face cache: `HF_HUB_CACHE/models--org--model`. */
export function hubPlacement(
  { paths, name, revision }: { paths: CachePaths; name: string; revision?: string },
): Placement {
  checkLocalName(name);
  if (revision !== undefined) assertRevision(revision);
  return new HubPlacement(name, paths, revision ?? "main");
}

/** Where aim keeps what it knows of a snapshot. */
export function snapshotRecord(folder: string, commit: string): string {
  return `${folder}/${AIM_FOLDER}/${commit}.json`;
}

class HubPlacement implements Placement {
  readonly layout = "hub";
  readonly name: string;
  readonly directory: string;
  readonly #paths: CachePaths;
  readonly #revision: string;

  constructor(name: string, paths: CachePaths, revision: string) {
    this.name = name;
    this.#paths = paths;
    this.#revision = revision;
    this.directory = hubFolder(paths, name);
  }

  async existing(manifest: Manifest): Promise<PublishedModel | null> {
    for (const record of await this.#records(manifest.source)) {
      const { commit } = record;
      if (commit === null || (manifest.commit !== null && commit !== manifest.commit)) continue;
      if (!sameFiles(record, manifest)) continue;
      if (!COMMIT.test(this.#revision) && (await readTextOrNull(this.#ref()))?.trim() !== commit) continue;
      const path = `${this.directory}/snapshots/${commit}`;
      const there = await eachOf(
        manifest.files,
        async (file) => (await statOrNull(`${path}/${file.path}`))?.size === file.size,
      );
      if (there.every((one) => one)) return { path, commit };
    }
    return null;
  }

  async lookUp(revision: string | undefined): Promise<StoredModel | null> {
    const { snapshot } = await lookHub(this.#paths, this.name, revision ?? this.#revision);
    if (snapshot === null) return null;
    const commit = snapshot.slice(snapshot.lastIndexOf("/") + 1);
    return await storedModel(snapshot, await readRecord(snapshotRecord(this.directory, commit)), commit);
  }

  async secure(): Promise<void> {
    await makeInside(this.#paths.hub, `${this.directory.slice(this.#paths.hub.length)}/${AIM_FOLDER}`);
  }

  async plan(manifest: Manifest, { force = false }: { force?: boolean } = {}): Promise<PlacementPlan> {
    for (const file of manifest.files) assertSafePath(file.path, manifest.source);
    const names = force ? null : await this.#blobNames(manifest);
    const blobs = new Map<string, string>();
    if (names !== null) {
      await eachOf(manifest.files, async (file) => {
        const blob = names(file);
        if (blob === null) return;
        const info = await lstatOrNull(`${this.directory}/blobs/${blob}`);
        if (info?.isFile && info.size === file.size) blobs.set(file.path, blob);
      });
    }
    const missing = manifest.files.filter((file) => !blobs.has(file.path));
    return {
      items: this.#items(manifest, missing),
      present: manifest.files.filter((file) => blobs.has(file.path)),
      blobs,
    };
  }

  async begin(manifest: Manifest, plan: PlacementPlan): Promise<PlacementPlan> {
    const checked = new Set<string>();
    const inside = this.directory.slice(this.#paths.hub.length);
    for (const folder of ["blobs", "refs", "snapshots", AIM_FOLDER]) {
      await makeInside(this.#paths.hub, `${inside}/${folder}`, checked);
    }
    if (plan.items.length === 0) return plan;
    const local = `${this.#paths.root}/${this.name}`;
    const adopted = await adoptFiles(plan.items, (file) => `${local}/${file.path}`);
    const blobs = new Map(plan.blobs);
    for (const [path, target] of adopted) blobs.set(path, target.slice(target.lastIndexOf("/") + 1));
    return {
      items: plan.items.filter((item) => !adopted.has(item.file.path)),
      present: manifest.files.filter((file) => blobs.has(file.path)),
      blobs,
    };
  }

  async publish(manifest: Manifest, plan: PlacementPlan, result: TransferResult): Promise<PublishedModel> {
    const blobs = new Map(plan.blobs);
    for (const done of result.files) {
      blobs.set(done.file.path, done.target.slice(done.target.lastIndexOf("/") + 1));
    }
    // Files of the same content are brought once.
    for (const file of manifest.files) {
      const twin = manifest.files.find((one) =>
        one.etag === file.etag && one.size === file.size && blobs.has(one.path)
      );
      if (!blobs.has(file.path) && twin !== undefined) blobs.set(file.path, blobs.get(twin.path) ?? "");
    }
    const commit = manifest.commit ?? snapshotCommit(manifest, blobs);
    const snapshot = `${this.directory}/snapshots/${commit}`;
    const checked = new Set<string>();
    const inside = snapshot.slice(this.#paths.hub.length);
    for (const file of manifest.files) {
      const folder = file.path.includes("/") ? file.path.slice(0, file.path.lastIndexOf("/")) : "";
      await makeInside(this.#paths.hub, `${inside}/${folder}`, checked);
    }
    const blobUses = new Map<string, number>();
    for (const blob of blobs.values()) blobUses.set(blob, (blobUses.get(blob) ?? 0) + 1);
    await eachOf(manifest.files, async (file) => {
      const blob = blobs.get(file.path);
      if (blob === undefined) throw new AimError("unexpected", `${file.path} has no blob`);
      await this.#place(snapshot, file, blob);
    });
    await makeInside(
      this.#paths.hub,
      `${this.directory.slice(this.#paths.hub.length)}/${AIM_FOLDER}`,
      checked,
    );
    await writeRecord(snapshotRecord(this.directory, commit), recordOf(manifest, commit, blobs, new Date()));
    await this.#writeRef(commit, checked);
    return { path: snapshot, commit };
  }

  /** A link as huggingface_hub makes it; a copy where the file system has no links. */
  async #place(snapshot: string, file: ManifestFile, blob: string): Promise<void> {
    const path = `${snapshot}/${file.path}`;
    const target = `${"../".repeat(file.path.split("/").length + 1)}blobs/${blob}`;
    const there = await lstatOrNull(path);
    if (there?.isSymlink && await linkOf(path) === target) return;
    if (
      there?.isFile && there.size === file.size && await isCopyOf(path, `${this.directory}/blobs/${blob}`)
    ) return;
    const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
    try {
      await linkOrCopy(target, `${this.directory}/blobs/${blob}`, temporary);
      await Deno.rename(temporary, path);
    } catch (error) {
      await removeIfThere(temporary).catch(() => {});
      throw errorFrom(error, `writing ${path}`);
    }
  }

  async #writeRef(commit: string, checked: Set<string>): Promise<void> {
    // huggingface_hub writes no ref for a commit: it names itself.
    if (COMMIT.test(this.#revision)) return;
    const folder = this.#ref().slice(this.#paths.hub.length).replace(/\/[^/]*$/, "");
    await makeInside(this.#paths.hub, folder, checked);
    if (await readTextOrNull(this.#ref()) !== commit) await writeAtomically(this.#ref(), commit);
  }

  #ref(): string {
    return `${this.directory}/refs/${this.#revision}`;
  }

  #items(manifest: Manifest, files: readonly ManifestFile[]): TransferItem[] {
    const blobs = `${this.directory}/blobs`;
    if (manifest.commit === null) {
      // The blob's name is known when its bytes are: S3 tells no SHA-256.
      return files.map((file): TransferItem => ({
        file,
        staging: `${blobs}/s3-${
          createHash("sha1").update(`${manifest.source}\0${file.path}`).digest("hex")
        }.incomplete`,
        compute: ["sha256"],
        target: ({ sha256 }) => {
          if (sha256 === undefined) {
            throw new AimError("unexpected", `the SHA-256 of ${file.path} is not known`);
          }
          return `${blobs}/${sha256}`;
        },
      }));
    }
    const once = new Map(files.map((file) => [file.etag, file]));
    return [...once.values()].map((file): TransferItem => {
      const path = `${blobs}/${checkBlobName(file.etag)}`;
      return { file, staging: `${path}.incomplete`, compute: [], target: () => path };
    });
  }

  /** Which blob holds a file: for the hub its ETag names it; for S3, what earlier downloads recorded. */
  async #blobNames(manifest: Manifest): Promise<(file: ManifestFile) => string | null> {
    if (manifest.commit !== null) return (file) => file.etag;
    const known = new Map<string, string>();
    for (const record of await this.#records(manifest.source)) {
      for (const file of record.files) {
        if (file.blob !== undefined) known.set(`${file.path}\0${file.etag}\0${file.size}`, file.blob);
      }
    }
    return (file) => known.get(`${file.path}\0${file.etag}\0${file.size}`) ?? null;
  }

  async #records(source: string): Promise<ModelRecord[]> {
    const records: ModelRecord[] = [];
    try {
      for await (const entry of Deno.readDir(`${this.directory}/${AIM_FOLDER}`)) {
        if (!/^[0-9a-f]{40}\.json$/.test(entry.name)) continue;
        const record = await readRecord(`${this.directory}/${AIM_FOLDER}/${entry.name}`);
        if (record?.source === source) records.push(record);
      }
    } catch (error) {
      if (!isAbsence(error)) throw errorFrom(error, `reading ${this.directory}/${AIM_FOLDER}`);
    }
    return records;
  }
}

/** The commit that stands for files from S3: SHA-1 over the sorted paths and their SHA-256. */
function snapshotCommit(manifest: Manifest, blobs: ReadonlyMap<string, string>): CommitSha {
  const hash = createHash("sha1");
  for (const path of manifest.files.map((file) => file.path).sort()) {
    hash.update(`${path}\0${blobs.get(path)}\n`);
  }
  return hash.digest("hex") as CommitSha;
}

function checkBlobName(etag: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(etag) && !/^\.+$/.test(etag)) return etag;
  throw new AimError("integrity", `${JSON.stringify(etag)} is an ETag that cannot name a blob`, {
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

async function isCopyOf(path: string, blob: string): Promise<boolean> {
  const [a, b] = await Promise.all([statOrNull(path), statOrNull(blob)]);
  return a !== null && b !== null && (a.ino === b.ino || (a.mtime ?? 0) >= (b.mtime ?? 0));
}

async function linkOrCopy(target: string, blob: string, path: string): Promise<void> {
  try {
    await Deno.symlink(target, path);
  } catch (error) {
    // vfat and some network file systems have no links (EPERM, EOPNOTSUPP, ENOSYS).
    if (["ENOSPC", "EDQUOT", "EROFS", "EACCES", "ENOENT"].includes(errnoOf(error) ?? "")) throw error;
    await Deno.copyFile(blob, path);
  }
}
