import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import { type FilesBelow, filesBelow, makeDirectories } from "../os/files_below.ts";
import { readFileRange } from "../os/read_file_range.ts";
import { readRegularTextSync } from "../os/read_regular_file.ts";
import { writeFile } from "../os/write_file.ts";
import type { Archive, Manifest } from "../sources/manifest.ts";
import { sortedFiles } from "../sources/sorted_files.ts";
import type { Source } from "../sources/source.ts";
import { checkFreeSpace } from "../transfer/free_space.ts";
import { transfer } from "../transfer/transfer.ts";
import type { TransferEvent, TransferOptions } from "../transfer/types.ts";
import { layerEntries, type LayerEntry, sha256Of } from "./layer_entries.ts";
import { isArchived, modelFiles } from "./model_files.ts";
import { TarFault } from "./tar_entries.ts";
import { packingOf, unpackedChunks } from "./unpacked_chunks.ts";

const LISTING_VERSION = 1;

/** File name suffixes of an archive's forms on disk. */
const FORMS = {
  /** Downloaded and verified. */
  packed: ".packed.incomplete",
  /** Being uncompressed. */
  unpacking: ".unpacking.incomplete",
  /** Uncompressed; kept until the model is published. */
  tar: ".tar.incomplete",
  /** The list of its entries. Kept, so that a second run knows the model's files without a download. */
  listing: ".json",
} as const;

/**
 * Downloads a model's archives and reads its files from them. The archives are stored in `.aim/layers` of the
 * model's directory, named by SHA-256. Nothing is read from an archive before its digest is verified.
 */
export class ArchiveStore {
  readonly #root: string;
  readonly #folder: string;
  readonly #files: FilesBelow;
  #archives: readonly Archive[] = [];
  /** Bytes downloaded. */
  moved = 0;

  /**
   * @param root Absolute and trusted; nothing outside it is written.
   * @param directory The model's directory, below the root.
   */
  constructor({ root, directory }: { readonly root: string; readonly directory: string }) {
    this.#root = root;
    this.#folder = `${directory}/.aim/layers`;
    this.#files = filesBelow(root);
  }

  /**
   * Replaces a manifest's archives with their files. Returns the manifest unchanged if the entries of an
   * archive are not known yet.
   *
   * @throws {AimError} `integrity` if the archives contradict each other.
   */
  unpacked(manifest: Manifest, wanted: (path: string) => boolean): Manifest {
    const { archives = [], ...rest } = manifest;
    if (archives.length === 0) return manifest;
    this.#archives = archives;
    const layers = archives.flatMap((archive) => {
      const entries = this.#listing(archive);
      return entries === null ? [] : [{ archive, entries }];
    });
    if (layers.length < archives.length) return manifest;
    try {
      const files = modelFiles(layers, manifest.source).filter(({ path }) => wanted(path));
      return { ...rest, files: sortedFiles([...manifest.files, ...files], manifest.source) };
    } catch (error) {
      throw error instanceof TarFault ? unusable(manifest.source, error) : error;
    }
  }

  /**
   * Downloads and uncompresses the archives that are not on disk.
   *
   * @throws {AimError} like a transfer; `integrity` if an archive cannot be unpacked.
   */
  async download(
    source: Source,
    archives: readonly Archive[],
    options: Omit<TransferOptions, "root">,
  ): Promise<void> {
    // An artifact may list one archive under several names.
    const distinct = new Map(archives.map((archive) => [archive.file.etag, archive])).values();
    const missing = [...distinct.filter((archive) => !this.#isUnpacked(archive))];
    if (missing.length === 0) return;
    makeDirectories(this.#root, [this.#folder]);
    await this.#removeDamaged(missing, options.signal);
    const bytes = missing.reduce((sum, { file }) => sum + file.size, 0);
    const missingBytes = 2 * bytes - this.#bytesOnDisk();
    await checkFreeSpace(this.#folder, missingBytes, "are needed to download and unpack its archives");
    const items = missing.filter((archive) => this.#size(archive, "packed") === null).map((archive) => ({
      file: archive.file,
      staging: `${this.#folder}/${archive.file.etag}.incomplete`,
      compute: [],
      target: () => this.#path(archive, "packed"),
    }));
    const { bytesMoved } = await transfer(source, items, { ...options, root: this.#root });
    this.moved += bytesMoved;

    const tell = options.onEvent ?? (() => {});
    tell({ type: "start", files: missing.length, bytes, bytesPresent: 0, unpacking: true });
    for (const archive of missing) {
      options.signal.throwIfAborted();
      await this.#unpack(source.uri, archive, tell, options.signal);
    }
    tell({ type: "end", bytesMoved: 0, bytesPresent: bytes, elapsed: 0 });
  }

  /** A source that reads archived files from the uncompressed archives, and other files from `source`. */
  reader(source: Source): Source {
    return {
      uri: source.uri,
      manifest: (options) => source.manifest(options),
      read: async (file, range, signal) => {
        if (!isArchived(file)) return await source.read(file, range, signal);
        const { start, end } = range ?? { start: 0, end: file.size };
        const body = readFileRange(this.#path(file.archive, "tar"), file.offset + start, file.offset + end);
        return { range: { start, end }, body };
      },
      [Symbol.dispose]() {},
    };
  }

  /** Removes the archives of a published model; their listings stay. */
  clear(): void {
    this.#remove(this.#archives, ["packed", "tar"]);
  }

  /** Removes archives and their listings. */
  forget(archives: readonly Archive[]): void {
    this.#remove(archives, ["packed", "tar", "listing"]);
  }

  #remove(archives: readonly Archive[], forms: readonly (keyof typeof FORMS)[]): void {
    for (const archive of archives) {
      for (const form of forms) this.#files.remove(this.#path(archive, form));
    }
  }

  #path({ file }: Archive, form: keyof typeof FORMS): string {
    return `${this.#folder}/${file.etag}${FORMS[form]}`;
  }

  /** Size of a form in bytes; `null` if it is not on disk. */
  #size(archive: Archive, form: keyof typeof FORMS): number | null {
    const info = orNull(() => Deno.lstatSync(this.#path(archive, form)));
    return info?.isFile ? info.size : null;
  }

  /** True if the uncompressed archive is long enough for all of its listed files. */
  #isUnpacked(archive: Archive): boolean {
    const size = this.#size(archive, "tar");
    const entries = size === null ? null : this.#listing(archive);
    return size !== null && entries !== null &&
      entries.every((entry) => entry.kind !== "file" || entry.offset + entry.size <= size);
  }

  /** Verifies archives that an earlier run downloaded, and removes damaged ones. */
  async #removeDamaged(archives: readonly Archive[], signal: AbortSignal): Promise<void> {
    for (const archive of archives) {
      if (this.#size(archive, "packed") === null) continue;
      log.info(`verifying ${archive.file.path}, which is already on disk`);
      using file = this.#files.open(this.#path(archive, "packed"));
      const sha256 = await sha256Of(file, 0, file.statSync().size, () => signal.throwIfAborted());
      if (sha256 !== archive.file.etag) this.forget([archive]);
    }
  }

  /** Bytes left by earlier runs. */
  #bytesOnDisk(): number {
    return Deno.readDirSync(this.#folder)
      .reduce((sum, { name }) => sum + (Deno.lstatSync(`${this.#folder}/${name}`).blocks ?? 0) * 512, 0);
  }

  #listing(archive: Archive): readonly LayerEntry[] | null {
    const text = readRegularTextSync(this.#path(archive, "listing"));
    const listing = text.kind === "ok" ? orNull(() => JSON.parse(text.value)) : null;
    const isRight = listing?.version === LISTING_VERSION && listing.kind === listingKind(archive) &&
      Array.isArray(listing.entries) && listing.entries.every(isEntry);
    if (!isRight) return null;
    const { path } = archive;
    return path === null ? listing.entries : listing.entries.map((entry: LayerEntry) => ({ ...entry, path }));
  }

  async #unpack(
    uri: string,
    archive: Archive,
    tell: (event: TransferEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { size, path } = archive.file;
    tell({ type: "file", path, state: "active", size });
    const onRead = (bytes: number) => {
      signal.throwIfAborted();
      tell({ type: "bytes", path, bytes });
    };
    const [packed, unpacking] = [this.#path(archive, "packed"), this.#path(archive, "unpacking")];
    let unpacked = packed;
    let entries: readonly LayerEntry[];
    try {
      using file = this.#files.open(packed);
      const packing = packingOf(file);
      if (packing === "none") entries = await entriesOf(archive, file, onRead);
      else {
        log.info(
          `unpacking ${path} (${packing}): if interrupted, unpacking starts over without another download`,
        );
        unpacked = unpacking;
        this.#files.remove(unpacking);
        using output = this.#files.create(unpacking);
        for await (const chunk of unpackedChunks(file, packing, onRead)) {
          for (let at = 0; at < chunk.length;) at += output.writeSync(chunk.subarray(at));
        }
        entries = await entriesOf(archive, output, () => signal.throwIfAborted());
        await output.syncData();
      }
    } catch (error) {
      this.#files.remove(unpacking);
      if (!(error instanceof TarFault)) throw errorFrom(error, `unpacking ${packed}`);
      this.forget([archive]);
      throw unusable(`${path} of ${uri}`, error);
    }
    const listing = JSON.stringify({ version: LISTING_VERSION, kind: listingKind(archive), entries });
    writeFile(this.#files, this.#path(archive, "listing"), listing);
    this.#files.rename(unpacked, this.#path(archive, "tar"));
    if (unpacked !== packed) this.#files.remove(packed);
    tell({ type: "file", path, state: "done", size });
  }
}

/** The entries of an uncompressed archive, or the single entry of a compressed file. */
async function entriesOf(
  { path, kind }: Archive,
  file: Deno.FsFile,
  onRead: (bytes: number) => void,
): Promise<LayerEntry[]> {
  if (path === null) return await layerEntries(file, kind, onRead);
  const { size } = await file.stat();
  return [{ kind: "file", path, size, offset: 0, sha256: await sha256Of(file, 0, size, onRead) }];
}

/**
 * An archive's entries depend on its kind, but not on the name that an artifact gives to a compressed file.
 */
function listingKind({ kind, path }: Archive): string {
  return path === null ? kind : "compressed file";
}

function isEntry(value: unknown): value is LayerEntry {
  if (typeof value !== "object" || value === null) return false;
  const { kind, path, size, offset, sha256 } = value as Readonly<Record<string, unknown>>;
  if (typeof path !== "string") return false;
  if (kind !== "file") return kind === "directory" || kind === "whiteout" || kind === "opaque";
  return Number.isSafeInteger(size) && Number.isSafeInteger(offset) && typeof sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(sha256);
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function unusable(what: string, { message }: TarFault): AimError {
  return new AimError("integrity", `${what} cannot be unpacked: ${message}`, {
    hint: "pack the model again, if possible with raw layers",
  });
}
