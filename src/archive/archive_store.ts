import { AimError } from "../errors/aim_error.ts";
import { errorFrom } from "../errors/from_unknown.ts";
import { type FilesBelow, filesBelow } from "../os/files_below.ts";
import { makeDirectories } from "../os/make_directories.ts";
import { nodeModule } from "../os/node_module.ts";
import { readFileRange } from "../os/read_file_range.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import { writeFile } from "../os/write_file.ts";
import { isBookkeepingPath } from "../sources/bookkeeping_path.ts";
import type { Archive, Manifest, ManifestFile } from "../sources/manifest.ts";
import { sortedFiles } from "../sources/sorted_files.ts";
import type { Source } from "../sources/source.ts";
import { checkFreeSpace } from "../transfer/free_space.ts";
import { transfer } from "../transfer/transfer.ts";
import type { TransferEvent, TransferOptions } from "../transfer/types.ts";
import { layerEntries, type LayerEntry } from "./layer_entries.ts";
import { type ArchivedFile, type Layer, modelFiles } from "./model_files.ts";
import { TarFault } from "./read_tar.ts";
import { packingOf, unpackedChunks } from "./unpacked_chunks.ts";

/** Version of a listing's format. */
const VERSION = 1;

/**
 * Downloads a model's archives and reads its files out of them. They are in `.aim/layers` of the model's
 * directory, named by their SHA-256:
 *
 * - `HEX.aim-….incomplete`: an archive being downloaded, in parts like any other file
 * - `HEX.packed.incomplete`: the whole archive, verified
 * - `HEX.tar.incomplete`: the uncompressed archive, until the model is published
 * - `HEX.json`: its entries; kept, so that a second run knows the model's files without downloading anything
 *
 * Nothing is read out of an archive before its digest is verified.
 */
export class ArchiveStore {
  readonly #root: string;
  readonly #folder: string;
  readonly #files: FilesBelow;
  /** Digests of the model's archives, hex. */
  readonly #seen = new Set<string>();
  /** Bytes downloaded. */
  moved = 0;

  /**
   * @param root Absolute and trusted; nothing above it is written.
   * @param directory The model's, below the root.
   */
  constructor({ root, directory }: { readonly root: string; readonly directory: string }) {
    this.#root = root;
    this.#folder = `${directory}/.aim/layers`;
    this.#files = filesBelow(root);
  }

  /**
   * Replaces a manifest's archives by their files. If the entries of one are not known yet, returns the manifest
   * unchanged.
   *
   * @throws {AimError} `integrity`: the archives contradict each other.
   */
  async unpacked(manifest: Manifest, wanted: (path: string) => boolean): Promise<Manifest> {
    const archives = manifest.archives ?? [];
    if (archives.length === 0) return manifest;
    const layers: Layer[] = [];
    for (const archive of archives) {
      this.#seen.add(archive.file.etag);
      const entries = await this.#listing(archive);
      if (entries === null) return manifest;
      layers.push({ archive, entries });
    }
    const { archives: _, ...rest } = manifest;
    try {
      const files = modelFiles(layers, manifest.source)
        .filter(({ path }) => !isBookkeepingPath(path) && wanted(path));
      return { ...rest, files: sortedFiles([...manifest.files, ...files], manifest.source) };
    } catch (error) {
      throw error instanceof TarFault ? unusable(manifest.source, error) : error;
    }
  }

  /**
   * Downloads and uncompresses the archives that are not there yet.
   *
   * @throws {AimError} as a transfer; `integrity`: one cannot be unpacked.
   */
  async download(
    source: Source,
    archives: readonly Archive[],
    options: Omit<TransferOptions, "root">,
  ): Promise<void> {
    const missing: Archive[] = [];
    for (const archive of archives) {
      if (!this.#has(archive, "tar") || await this.#listing(archive) === null) missing.push(archive);
    }
    if (missing.length === 0) return;
    makeDirectories(this.#root, [this.#folder]);
    const toFetch = missing.filter((archive) => !this.#has(archive, "packed", archive.file.size));
    await checkFreeSpace({
      directory: this.#folder,
      bytes: 2 * sizeOf(missing) - this.#onDisk(),
      what: "are needed to download and unpack its archives",
    });
    const items = toFetch.map(({ file }) => ({
      file,
      staging: `${this.#folder}/${file.etag}.incomplete`,
      compute: [],
      target: () => this.#path(file.etag, "packed"),
    }));
    const { bytesMoved } = await transfer(source, items, { ...options, root: this.#root });
    this.moved += bytesMoved;
    const tell = options.onEvent ?? (() => {});
    const bytes = sizeOf(missing);
    tell({ type: "start", files: missing.length, bytes, bytesPresent: 0, unpacking: true });
    for (const archive of missing) {
      options.signal.throwIfAborted();
      await this.#unpack(source.uri, archive, toFetch.includes(archive), tell, options.signal);
    }
    tell({ type: "end", bytesMoved: 0, bytesPresent: bytes, elapsed: 0 });
  }

  /** A source that reads files in archives from the uncompressed archives, and other files from `source`. */
  reader(source: Source): Source {
    return {
      uri: source.uri,
      manifest: (options) => source.manifest(options),
      read: async (file, range, signal) => {
        if (!isArchived(file)) return await source.read(file, range, signal);
        const { start, end } = range ?? { start: 0, end: file.size };
        const path = this.#path(file.archive.file.etag, "tar");
        return { range: { start, end }, body: readFileRange(path, file.offset + start, file.offset + end) };
      },
      close() {},
    };
  }

  /** Removes the archives of a published model; their listings stay. */
  clear(): void {
    for (const hex of this.#seen) {
      for (const form of ["packed", "tar"] as const) this.#files.remove(this.#path(hex, form));
    }
  }

  /** Removes archives and their listings. */
  forget(archives: readonly Archive[]): void {
    for (const { file } of archives) {
      for (const form of ["packed", "tar", "listing"] as const) {
        this.#files.remove(this.#path(file.etag, form));
      }
    }
  }

  #path(hex: string, form: "packed" | "tar" | "listing"): string {
    return `${this.#folder}/${hex}${form === "listing" ? ".json" : `.${form}.incomplete`}`;
  }

  #has({ file }: Archive, form: "packed" | "tar", size?: number): boolean {
    try {
      const info = Deno.lstatSync(this.#path(file.etag, form));
      return info.isFile && (size === undefined || info.size === size);
    } catch {
      return false;
    }
  }

  /** Bytes left by earlier runs. */
  #onDisk(): number {
    try {
      return [...Deno.readDirSync(this.#folder)]
        .reduce((sum, { name }) => sum + (Deno.lstatSync(`${this.#folder}/${name}`).blocks ?? 0) * 512, 0);
    } catch {
      return 0;
    }
  }

  async #listing(archive: Archive): Promise<readonly LayerEntry[] | null> {
    const text = await readRegularText(this.#path(archive.file.etag, "listing"));
    if (text.kind !== "ok") return null;
    try {
      const { version, kind, entries } = JSON.parse(text.value);
      const isRight = version === VERSION && kind === archive.kind && Array.isArray(entries) &&
        entries.every(isEntry);
      return isRight ? entries : null;
    } catch {
      return null;
    }
  }

  /** Uncompresses a verified archive and writes its listing. */
  async #unpack(
    uri: string,
    archive: Archive,
    isProven: boolean,
    tell: (event: TransferEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { etag: hex, size, path } = archive.file;
    tell({ type: "file", path, state: "active", size });
    const [packed, tar] = [this.#path(hex, "packed"), this.#path(hex, "tar")];
    const writing = `${this.#folder}/${hex}.unpacking.incomplete`;
    let entries: readonly LayerEntry[];
    let isPacked: boolean;
    try {
      using file = this.#files.open(packed);
      const packing = packingOf(file);
      isPacked = packing !== "none";
      this.#files.remove(writing);
      using output = isPacked ? this.#files.create(writing) : null;
      // An archive left by an earlier run is verified again.
      const expected = isPacked ? archive.diffId : isProven ? null : hex;
      const chunks = copied(
        unpackedChunks(file, packing, size, (bytes) => tell({ type: "bytes", path, bytes })),
        output,
        expected,
        signal,
      );
      entries = await layerEntries(chunks, archive.kind);
      await output?.syncData();
    } catch (error) {
      this.#files.remove(writing);
      if (!(error instanceof TarFault)) throw errorFrom(error, `unpacking ${packed}`);
      this.forget([archive]);
      throw unusable(`${archive.file.path} of ${uri}`, error);
    }
    writeFile(
      this.#files,
      this.#path(hex, "listing"),
      JSON.stringify({ version: VERSION, kind: archive.kind, entries }),
    );
    this.#files.rename(isPacked ? writing : packed, tar);
    if (isPacked) this.#files.remove(packed);
    tell({ type: "file", path, state: "done", size });
  }
}

/** True for files that are in an archive. */
export function isArchived(file: ManifestFile): file is ArchivedFile {
  return "archive" in file;
}

/** Passes chunks on, writes them to a file, and compares their SHA-256 (hex) with what is expected. */
async function* copied(
  chunks: AsyncIterable<Uint8Array>,
  output: Deno.FsFile | null,
  expected: string | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hash = expected === null ? null : nodeModule("node:crypto").createHash("sha256");
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    hash?.update(chunk);
    for (let at = 0; output !== null && at < chunk.length;) at += output.writeSync(chunk.subarray(at));
    yield chunk;
  }
  const digest = hash?.digest("hex") ?? null;
  if (digest !== expected) throw new TarFault(`its content has the SHA-256 ${digest}, not ${expected}`);
}

function isEntry(value: unknown): value is LayerEntry {
  if (typeof value !== "object" || value === null) return false;
  const { kind, path, size, offset, sha256 } = value as Readonly<Record<string, unknown>>;
  if (typeof path !== "string") return false;
  if (kind !== "file") return kind === "directory" || kind === "whiteout" || kind === "opaque";
  return Number.isSafeInteger(size) && Number.isSafeInteger(offset) && typeof sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(sha256);
}

function sizeOf(archives: readonly Archive[]): number {
  return archives.reduce((sum, { file }) => sum + file.size, 0);
}

function unusable(what: string, { message }: TarFault): AimError {
  return new AimError("integrity", `${what} cannot be unpacked: ${message}`, {
    hint: "pack the model again, if possible with raw layers",
  });
}
