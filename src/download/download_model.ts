import { ArchiveStore } from "../archive/archive_store.ts";
import { isArchived } from "../archive/model_files.ts";
import { isMarkedDamaged, removeDamaged } from "../cache/remove_damaged.ts";
import { placedFiles, type Placement } from "../cache/placement.ts";
import { AimError } from "../errors/aim_error.ts";
import { errnoOf } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import { type PathFilter, pathFilter } from "../sources/filter_paths.ts";
import type { Archive, Manifest, ManifestFile } from "../sources/manifest.ts";
import type { Protocol } from "../sources/source_options.ts";
import { type Source, SourceChangedError } from "../sources/source.ts";
import { withLease } from "../transfer/lease/lease.ts";
import { transfer } from "../transfer/transfer.ts";
import type {
  TransferEvent,
  TransferItem,
  TransferOptions,
  TransferredFile,
  TransferResult,
} from "../transfer/types.ts";
import { assertSigned, filesIn, OWN_SIGNATURE, type SignatureTrust, unpublished } from "./check_signature.ts";
import { checkUnsafe, warnOfCode } from "./check_unsafe.ts";
import { type DownloadReport, inCache, reportOf } from "./download_report.ts";
import { chosenFiles } from "./serving_files.ts";

export interface DownloadOptions {
  /** Branch, tag or commit (hub only). @default {the hub's default branch} */
  readonly revision?: string | undefined;
  /** Globs; empty for all files. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** `serving`: only what an engine loads. @default {"all"} */
  readonly files?: "all" | "serving";
  /** Refuse files that can run code. @default {false} */
  readonly refuseUnsafe?: boolean;
  /** The required signature. @default {none} */
  readonly signature?: SignatureTrust | null;
  /** The revision in the model's record. @default {the source's} */
  readonly recordAs?: string | null;
  readonly force: boolean;
  readonly transfer: Omit<TransferOptions, "root" | "revision" | "onEvent" | "onFile" | "signal">;
  readonly signal: AbortSignal;
  readonly onEvent?: (event: TransferEvent) => void;
  /** Called with each listing: again if the source changes during the download. */
  readonly onListed?: (manifest: Manifest) => void;
  /** Called with the next protocol when one has failed. */
  readonly onProtocol?: (protocol: Protocol) => void;
}

/**
 * Downloads a model: list, plan, transfer, publish. One process at a time downloads a model.
 *
 * @throws {AimError} `unauthorized`, `not-found`, `network`, `no-space`, `integrity`, `interrupted`,
 * `terminated`.
 */
export async function downloadModel(
  source: Source,
  placement: Placement,
  options: DownloadOptions,
): Promise<DownloadReport> {
  return await new ModelDownload(source, placement, options).run();
}

/** Maximum relistings of a source that changes during the download. */
const RELISTINGS = 3;

class ModelDownload {
  readonly #source: Source;
  readonly #placement: Placement;
  readonly #options: DownloadOptions;
  readonly #archives: ArchiveStore;
  readonly #wanted: PathFilter;
  readonly #started = performance.now();
  /** The caller's signal, then the lease's. */
  #signal: AbortSignal;

  constructor(source: Source, placement: Placement, options: DownloadOptions) {
    this.#source = source;
    this.#placement = placement;
    this.#options = options;
    this.#archives = new ArchiveStore(placement);
    this.#wanted = pathFilter(options.include, options.exclude);
    this.#signal = options.signal;
  }

  async run(): Promise<DownloadReport> {
    let listed: Manifest | null = null;
    try {
      listed = await this.#list();
      return await this.#existing(listed) ?? await this.#underLease(listed);
    } catch (error) {
      const stored = await this.#insteadOf(error, listed);
      if (stored === null) throw error;
      return stored;
    }
  }

  /** The model on disk, if nothing is left to do. */
  async #existing(listed: Manifest): Promise<DownloadReport | null> {
    // The files of its archives are not known yet.
    if (listed.archives !== undefined) return null;
    this.#check(listed);
    const { force, signature = null } = this.#options;
    const isDamaged = await isMarkedDamaged(this.#placement.directory);
    const found = force || isDamaged ? null : await this.#placement.existing(listed);
    if (found === null) return null;
    if (signature !== null) {
      const files = await filesIn(found.path, listed.files.map(({ path }) => path));
      await assertSigned(signature, this.#source.uri, files, this.#signal);
    }
    return reportOf(this.#placement, listed, found, null, performance.now() - this.#started);
  }

  async #underLease(listed: Manifest): Promise<DownloadReport> {
    const { directory, name } = this.#placement;
    // Files in archives cannot be read yet.
    if (listed.archives === undefined && !listed.files.some(isArchived)) {
      await checkUnsafe(this.#source, listed, this.#options);
    }
    this.#placement.secure();
    const onWait = (holder: string) => log.info(`waiting for ${holder}`, { model: name });
    return await withLease(directory, { signal: this.#options.signal, onWait }, async (signal) => {
      this.#signal = signal;
      await removeDamaged(directory, this.#placement.layout);
      if (this.#options.force) this.#archives.forget(listed.archives ?? []);
      return await this.#withRelistings(listed);
    });
  }

  /**
   * The model on disk, if it is complete and the source cannot be reached or the cache cannot be written;
   * `null` if the download has failed.
   */
  async #insteadOf(error: unknown, manifest: Manifest | null): Promise<DownloadReport | null> {
    const { force, signal } = this.#options;
    if (!(error instanceof AimError) || signal.aborted || force) return null;
    const unreached = error.kind === "network" && manifest === null;
    const unwritable = error.kind === "no-space" && manifest !== null &&
      ["EROFS", "EACCES", "EPERM"].includes(errnoOf(error.cause) ?? "");
    // If the files of its archives are not known, something is missing.
    if (!unreached && !unwritable || manifest?.archives !== undefined) return null;
    const { uri } = this.#source;
    const stored = await inCache(this.#placement, this.#options);
    if (stored === null || ![uri, "unknown"].includes(stored.source)) return null;
    if (manifest !== null && (await this.#placement.plan(manifest, { signal })).items.length > 0) return null;
    const why = manifest === null
      ? `it is complete, but was not compared with ${uri}`
      : "it is complete, but the cache cannot be written";
    log.warn(`using ${this.#placement.name} from the cache: ${why}`, { reason: error.message });
    return stored;
  }

  async #withRelistings(first: Manifest): Promise<DownloadReport> {
    for (let attempt = 1, listed = first;; attempt++) {
      try {
        return await this.#download(await this.#unpacked(listed));
      } catch (error) {
        if (!(error instanceof SourceChangedError)) throw error;
        const { uri } = this.#source;
        if (attempt > RELISTINGS) {
          throw new AimError("integrity", `${uri} keeps changing while it is read: ${error.message}`, {
            hint: "download again when nothing writes to it",
            cause: error,
          });
        }
        log.warn(`${uri} changed while it was read, listing it again`, { reason: error.message });
        listed = await this.#list();
      }
    }
  }

  async #download(manifest: Manifest): Promise<DownloadReport> {
    const { force, refuseUnsafe, signature = null } = this.#options;
    const planned = await this.#placement.plan(manifest, { force, signal: this.#signal });
    if (manifest.files.some(isArchived)) {
      // Only archives with a missing file are needed.
      const needed = refuseUnsafe === true ? manifest.files : planned.items.map(({ file }) => file);
      await this.#downloadArchives(manifest, archivesOf(needed));
      await checkUnsafe(this.#archives.reader(this.#source), manifest, this.#options);
    }
    const plan = await this.#placement.begin(manifest, planned, { force, signal: this.#signal });
    const result = await this.#transfer(manifest, plan.items);
    const placed = placedFiles(manifest, plan, result);
    if (signature !== null) {
      await assertSigned(signature, this.#source.uri, unpublished(placed), this.#signal);
    }
    const published = await this.#placement.publish(manifest, placed);
    this.#archives.clear();
    await warnOfCode(this.#source, published.path);
    return reportOf(this.#placement, manifest, published, result, performance.now() - this.#started);
  }

  /** The manifest with the files of its archives. Downloads archives whose entries are not known yet. */
  async #unpacked(listed: Manifest): Promise<Manifest> {
    if (listed.archives === undefined) return listed;
    // The previous holder of the lease may have downloaded them.
    let manifest = await this.#chosen(listed);
    if (manifest.archives !== undefined) {
      await this.#downloadArchives(listed, manifest.archives);
      manifest = await this.#chosen(listed);
    }
    this.#check(manifest);
    return manifest;
  }

  async #downloadArchives(manifest: Manifest, archives: readonly Archive[]): Promise<void> {
    await this.#archives.download(this.#source, archives, this.#transferOptions(manifest));
  }

  /** Transfers files: first those in downloaded archives, then the others from the network. */
  async #transfer(manifest: Manifest, items: readonly TransferItem[]): Promise<TransferResult> {
    using log = this.#placement.log(manifest);
    const { archived = [], others = [] } = Object.groupBy(
      items,
      ({ file }) => isArchived(file) ? "archived" : "others",
    );
    const options = {
      ...this.#transferOptions(manifest),
      root: this.#placement.root,
      onFile: (file: TransferredFile) => log.add(file),
    };
    const taken = archived.length === 0
      ? NOTHING
      : await transfer(this.#archives.reader(this.#source), archived, {
        ...options,
        // More parallel readers are not faster.
        jobs: Math.min(options.jobs, 4),
        maxBandwidth: null,
        onEvent: (event) => options.onEvent?.(event.type === "start" ? { ...event, unpacking: true } : event),
      }).catch((error) => {
        // The archive is damaged on disk: the next run downloads it again.
        if (error instanceof AimError && error.kind === "integrity") {
          this.#archives.forget(archivesOf(manifest.files));
        }
        throw error;
      });
    const fetched = others.length === 0 && archived.length > 0
      ? NOTHING
      : await transfer(this.#source, others, options);
    return {
      files: [...taken.files, ...fetched.files],
      bytesMoved: fetched.bytesMoved + this.#archives.moved,
      bytesPresent: fetched.bytesPresent + taken.bytesPresent,
      elapsed: fetched.elapsed + taken.elapsed,
    };
  }

  #transferOptions({ commit, source }: Manifest): Omit<TransferOptions, "root"> {
    const { transfer, onEvent } = this.#options;
    return {
      ...transfer,
      revision: commit ?? source,
      signal: this.#signal,
      ...(onEvent === undefined ? {} : { onEvent }),
    };
  }

  /** Checks names before anything is written under them, and warns of a signature that is not checked. */
  #check(manifest: Manifest): void {
    this.#placement.check(manifest);
    if ((this.#options.signature ?? null) !== null) return;
    if (!manifest.files.some(({ path }) => path === OWN_SIGNATURE)) return;
    log.warn(
      `${this.#source.uri} is signed (${OWN_SIGNATURE}), but the signature is not checked: name its signer with --key or --certificate-chain`,
    );
  }

  async #list(): Promise<Manifest> {
    const { revision, force, signal } = this.#options;
    const listed = await this.#source.manifest({ revision, wanted: this.#wanted, signal });
    return force && listed.archives !== undefined ? listed : await this.#chosen(listed);
  }

  /** The wanted files of a listing, with those of its archives if their entries are known. */
  async #chosen(listed: Manifest): Promise<Manifest> {
    const { include, exclude, recordAs, files = "all", onListed } = this.#options;
    const all = await this.#archives.unpacked(listed, this.#wanted);
    for (const glob of all.archives === undefined ? this.#wanted.unmatched() : []) {
      log.warn(
        `${exclude.includes(glob) ? "exclude" : "include"} ${glob} matches no file of ${listed.source}`,
      );
    }
    const isFiltered = include.length + exclude.length > 0;
    const manifest = all.archives !== undefined ? all : chosenFiles({
      ...all,
      filtered: isFiltered || all.filtered === true,
      ...(recordAs === undefined ? {} : { revision: recordAs }),
    }, files);
    if (manifest.archives === undefined && manifest.files.length === 0) {
      throw new AimError("not-found", `${listed.source} has no files${isFiltered ? " that match" : ""}`, {
        hint: isFiltered ? "check --include and --exclude" : "check the name",
      });
    }
    onListed?.(manifest);
    return manifest;
  }
}

const NOTHING: TransferResult = { files: [], bytesMoved: 0, bytesPresent: 0, elapsed: 0 };

function archivesOf(files: readonly ManifestFile[]): Archive[] {
  return [...new Map(files.filter(isArchived).map(({ archive }) => [archive.file.etag, archive])).values()];
}
