import { ArchiveStore } from "../archive/archive_store.ts";
import { isArchived } from "../archive/model_files.ts";
import { AimError } from "../errors/aim_error.ts";
import { errnoOf } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import { isMarkedDamaged, removeDamaged } from "../cache/remove_damaged.ts";
import type { Placement } from "../cache/types.ts";
import { pathFilter } from "../sources/filter_paths.ts";
import { type Archive, type Manifest, type ManifestFile, totalBytes } from "../sources/manifest.ts";
import { unsafeFiles, unsafeInWords } from "../cache/judge/unsafe_files.ts";
import { readText } from "../sources/read_text.ts";
import { readTextOrNull } from "../cache/files.ts";
import { assertSigned, OWN_SIGNATURE, placedFiles, type SignatureTrust } from "./check_signature.ts";
import { servingFiles } from "./serving_files.ts";
import type { Protocol } from "../sources/protocols.ts";
import { type Source, SourceChangedError } from "../sources/source.ts";
import { transfer } from "../transfer/transfer.ts";
import type {
  TransferEvent,
  TransferItem,
  TransferOptions,
  TransferredFile,
  TransferResult,
} from "../transfer/types.ts";
import type { DownloadReport } from "./download_report.ts";
import { inCache } from "./in_cache.ts";
import { withLease } from "../transfer/lease/lease.ts";

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
  /** Download everything again. */
  readonly force: boolean;
  readonly transfer: Omit<TransferOptions, "root" | "revision" | "onEvent" | "onFile" | "signal">;
  readonly signal: AbortSignal;
  readonly onEvent?: (event: TransferEvent) => void;
  /** Called with each listing: again if the source changes during the download. */
  readonly onListed?: (manifest: Manifest) => void;
  /** Called with the next protocol when one has failed. */
  readonly onProtocol?: (protocol: Protocol) => void;
}

/** Maximum new listings of a source that changes during the download. */
const RELISTINGS = 3;

/**
 * Downloads a model: list, plan, transfer, publish. One process at a time downloads a model; others wait, and then have
 * nothing to do. For a complete model, it downloads nothing.
 *
 * @throws {AimError} `unauthorized`, `not-found`, `network`, `no-space`, `integrity`, `interrupted`,
 * `terminated`.
 */
export async function downloadModel(
  source: Source,
  placement: Placement,
  options: DownloadOptions,
): Promise<DownloadReport> {
  const started = performance.now();
  const archives = new ArchiveStore(placement);
  let manifest: Manifest | null = null;
  try {
    const listed = manifest = await list(source, archives, options);
    const isListed = listed.archives === undefined;
    if (isListed) check(source, placement, listed, options);
    const isDamaged = await isMarkedDamaged(placement.directory);
    const existing = options.force || isDamaged || !isListed ? null : await placement.existing(listed);
    if (existing !== null) await checkExisting(source, listed, existing.path, options);
    if (existing !== null) return report(placement, listed, existing, null, performance.now() - started);
    // Files in archives cannot be read yet.
    if (isListed && !listed.files.some(isArchived)) await checkTrust(source, listed, options);
    placement.secure();
    return await withLease(
      placement.directory,
      {
        signal: options.signal,
        onWait: (holder) => log.info(`waiting for ${holder}`, { model: placement.name }),
      },
      (lease) => downloadAlone({ source, placement, archives }, listed, options, lease.signal, started),
    );
  } catch (error) {
    const stored = options.force ? null : await insteadOf(error, source, placement, manifest, options);
    if (stored === null) throw error;
    return stored;
  }
}

/**
 * The model on disk, if it is complete and the source cannot be reached or the cache cannot be written; `null` if the
 * download has failed.
 */
async function insteadOf(
  error: unknown,
  { uri }: Source,
  placement: Placement,
  manifest: Manifest | null,
  options: DownloadOptions,
): Promise<DownloadReport | null> {
  const { signal } = options;
  if (!(error instanceof AimError) || signal.aborted) return null;
  const unreached = error.kind === "network" && manifest === null;
  const unwritable = error.kind === "no-space" && manifest !== null &&
    ["EROFS", "EACCES", "EPERM"].includes(errnoOf(error.cause) ?? "");
  if (!unreached && !unwritable) return null;
  // The files of its archives are not known, so something is missing.
  if (manifest?.archives !== undefined) return null;
  const stored = await inCache(placement, options);
  if (stored === null || ![uri, "unknown"].includes(stored.source)) return null;
  if (manifest === null) {
    log.warn(`using ${placement.name} from the cache: it is complete, but was not compared with ${uri}`, {
      reason: error.message,
    });
    return stored;
  }
  if ((await placement.plan(manifest, { signal })).items.length > 0) return null;
  log.warn(`using ${placement.name} from the cache: nothing is missing, and nothing can be recorded`, {
    reason: error.message,
  });
  return stored;
}

/** Source and destination of one download. */
interface Download {
  readonly source: Source;
  readonly placement: Placement;
  readonly archives: ArchiveStore;
}

async function downloadAlone(
  download: Download,
  first: Manifest,
  options: DownloadOptions,
  signal: AbortSignal,
  started: number,
): Promise<DownloadReport> {
  const { source, placement, archives } = download;
  await removeDamaged(placement.directory, placement.layout);
  if (options.force) archives.forget(first.archives ?? []);
  for (let attempt = 1, listed = first;; attempt++) {
    try {
      const manifest = await unpacked(download, listed, options, signal);
      const planned = await placement.plan(manifest, { force: options.force, signal });
      await bringArchives(download, manifest, planned.items, options, signal);
      const plan = await placement.begin(manifest, planned, signal);
      const result = await bringFiles(download, manifest, plan.items, options, signal);
      const { signature } = options;
      if (signature !== undefined && signature !== null) {
        const placed = placedFiles(placement.directory, manifest.files, plan, result);
        await assertSigned(signature, source.uri, placed, signal);
      }
      const published = await placement.publish(manifest, plan, result);
      archives.clear();
      await nameCode(source, published.path);
      return report(placement, manifest, published, result, performance.now() - started);
    } catch (error) {
      if (!(error instanceof SourceChangedError)) throw error;
      if (attempt > RELISTINGS) {
        throw new AimError("integrity", `${source.uri} keeps changing while it is read: ${error.message}`, {
          hint: "download again when nothing writes to it",
          cause: error,
        });
      }
      log.warn(`${source.uri} changed while it was read, listing it again`, { file: error.path });
      listed = await list(source, archives, options);
    }
  }
}

/** The manifest with the files of its archives. Downloads archives whose entries are not known yet. */
async function unpacked(
  { source, placement, archives }: Download,
  listed: Manifest,
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<Manifest> {
  if (listed.archives === undefined) return listed;
  // The process that had the lease before may have downloaded them.
  let manifest = await withArchives(listed, archives, options);
  if (manifest.archives !== undefined) {
    await archives.download(source, manifest.archives, transferOptions(listed, options, signal));
    manifest = await withArchives(listed, archives, options);
  }
  check(source, placement, manifest, options);
  return manifest;
}

/** Downloads the archives that contain the missing files. */
async function bringArchives(
  { source, archives }: Download,
  manifest: Manifest,
  items: readonly TransferItem[],
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<void> {
  if (!manifest.files.some(isArchived)) return;
  const needed = options.refuseUnsafe === true ? manifest.files : items.map(({ file }) => file);
  await archives.download(source, archivesOf(needed), transferOptions(manifest, options, signal));
  await checkTrust(archives.reader(source), manifest, options);
}

/** Transfers files: first those in downloaded archives, then the others from the network. */
async function bringFiles(
  { source, placement, archives }: Download,
  manifest: Manifest,
  items: readonly TransferItem[],
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<TransferResult> {
  const settings = { ...transferOptions(manifest, options, signal), root: placement.root };
  using log = placement.log(manifest);
  const onFile = (file: TransferredFile) => log.add(file);
  const archived = items.filter(({ file }) => isArchived(file));
  const others = items.filter(({ file }) => !isArchived(file));
  const taken = archived.length === 0 ? NOTHING : await transfer(archives.reader(source), archived, {
    ...settings,
    // More readers do not help.
    jobs: Math.min(settings.jobs, 4),
    maxBandwidth: null,
    onFile,
    onEvent: (event) => options.onEvent?.(event.type === "start" ? { ...event, unpacking: true } : event),
  }).catch((error) => {
    // The archive was damaged on this disk: the next run downloads it again.
    if (error instanceof AimError && error.kind === "integrity") archives.forget(archivesOf(manifest.files));
    throw error;
  });
  const fetched = others.length === 0 && archived.length > 0
    ? NOTHING
    : await transfer(source, others, { ...settings, onFile });
  return {
    files: [...taken.files, ...fetched.files],
    bytesMoved: fetched.bytesMoved + archives.moved,
    bytesPresent: fetched.bytesPresent + taken.bytesPresent,
    elapsed: fetched.elapsed + taken.elapsed,
  };
}

const NOTHING: TransferResult = { files: [], bytesMoved: 0, bytesPresent: 0, elapsed: 0 };

function transferOptions(manifest: Manifest, { transfer, onEvent }: DownloadOptions, signal: AbortSignal) {
  return {
    ...transfer,
    revision: manifest.commit ?? manifest.source,
    signal,
    ...(onEvent === undefined ? {} : { onEvent }),
  };
}

function archivesOf(files: readonly ManifestFile[]): Archive[] {
  return [...new Map(files.filter(isArchived).map(({ archive }) => [archive.file.etag, archive])).values()];
}

/** Checks names before anything is written under them. */
function check(source: Source, placement: Placement, manifest: Manifest, options: DownloadOptions): void {
  placement.check(manifest);
  nameUnchecked(source, manifest, options);
}

async function list(source: Source, archives: ArchiveStore, options: DownloadOptions): Promise<Manifest> {
  const { include, exclude } = options;
  const listed = await source.manifest({
    revision: options.revision,
    include,
    exclude,
    signal: options.signal,
  });
  for (const glob of listed.unmatched ?? []) {
    log.warn(`${exclude.includes(glob) ? "exclude" : "include"} ${glob} matches no file of ${source.uri}`);
  }
  if (options.force && listed.archives !== undefined) return listed;
  return await withArchives(listed, archives, options);
}

/** The wanted files of a listing, with those of its archives if their entries are known. */
async function withArchives(
  listed: Manifest,
  archives: ArchiveStore,
  options: DownloadOptions,
): Promise<Manifest> {
  const { include, exclude, recordAs } = options;
  const filtered = include.length + exclude.length > 0;
  const whole = await archives.unpacked(listed, pathFilter(include, exclude));
  if (whole.archives !== undefined) {
    options.onListed?.(whole);
    return whole;
  }
  const manifest = chosenFiles({
    ...whole,
    filtered: filtered || whole.filtered === true,
    ...(recordAs === undefined ? {} : { revision: recordAs }),
  }, options.files ?? "all");
  if (manifest.files.length > 0) {
    options.onListed?.(manifest);
    return manifest;
  }
  throw new AimError("not-found", `${listed.source} has no files${filtered ? " that match" : ""}`, {
    hint: filtered ? "check --include and --exclude" : "check the name",
  });
}

/** Leaves out the files that an engine does not load, or reports their size. */
function chosenFiles(manifest: Manifest, which: "all" | "serving"): Manifest {
  const isServed = servingFiles(manifest.files.map((file) => file.path));
  const kept = manifest.files.filter((file) => isServed(file.path));
  const saved = totalBytes(manifest) - totalBytes({ files: kept });
  if (saved === 0) return manifest;
  const size = saved < 2 ** 30
    ? `${(saved / 2 ** 20).toFixed(1)} MiB`
    : `${(saved / 2 ** 30).toFixed(1)} GiB`;
  const superfluous = `${size} in ${manifest.files.length - kept.length} files`;
  const example = manifest.files.find((file) => !isServed(file.path))?.path;
  if (which === "all") {
    log.info(`an engine does not load ${superfluous}: --files serving leaves them out`, { example });
    return manifest;
  }
  log.info(`leaving out ${superfluous} that an engine does not load: --files all downloads them`, {
    example,
  });
  return { ...manifest, files: kept, filtered: true };
}

/**
 * Reports files that can run the publisher's code. Pickles are known by their names; the configuration is read before
 * the download only if such files are refused.
 *
 * @throws {AimError} `integrity` if they are refused.
 */
async function checkTrust(source: Source, manifest: Manifest, options: DownloadOptions): Promise<void> {
  const configs = new Map<string, unknown>();
  for (const file of options.refuseUnsafe === true ? manifest.files : []) {
    if (file.path !== CONFIG || file.size > LARGEST_CONFIG) continue;
    configs.set(file.path, parsedOrNull(await readText(source, file, options.signal)));
  }
  const unsafe = unsafeFiles(manifest.files.map((file) => file.path), configs);
  const words = unsafeInWords(unsafe);
  if (words === null) return;
  if (options.refuseUnsafe !== true) return log.warn(`${source.uri}: ${words}`);
  throw new AimError("integrity", `${source.uri} is refused, since AIM_REFUSE_UNSAFE is on: ${words}`, {
    hint: unsafe.every((file) => file.kind === "pickle")
      ? "leave them out with --files serving or --exclude, or use a model in safetensors"
      : "use a model without code of its own, or unset AIM_REFUSE_UNSAFE",
  });
}

/** Warns of a signature that is not checked. */
function nameUnchecked({ uri }: Source, { files }: Manifest, { signature }: DownloadOptions): void {
  if ((signature ?? null) !== null || !files.some(({ path }) => path === OWN_SIGNATURE)) return;
  log.warn(
    `${uri} is signed (${OWN_SIGNATURE}), and the signature is not checked: give its signer with --key or --certificate-chain`,
  );
}

/** Checks the signature of a model that is complete already. */
async function checkExisting(
  { uri }: Source,
  { files }: Manifest,
  path: string,
  { signature, signal }: DownloadOptions,
): Promise<void> {
  if (signature === undefined || signature === null) return;
  const placed = files.map((file) => ({ path: file.path, absolute: `${path}/${file.path}`, sha256: null }));
  await assertSigned(signature, uri, placed, signal);
}

/** Warns of a configuration that names the model's own code. */
async function nameCode(source: Source, path: string): Promise<void> {
  const config = parsedOrNull(await readTextOrNull(`${path}/${CONFIG}`).catch(() => null) ?? "");
  const words = unsafeInWords(unsafeFiles([], new Map([[CONFIG, config]])));
  if (words !== null) log.warn(`${source.uri}: ${words}`);
}

/** The model's configuration; that of its tokenizer is large, and rarely has code. */
const CONFIG = "config.json";
const LARGEST_CONFIG = 1 << 20;

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function report(
  placement: Placement,
  manifest: Manifest,
  published: { path: string; commit: string | null },
  result: TransferResult | null,
  elapsed: number,
): DownloadReport {
  const bytes = totalBytes(manifest);
  const fetched = result?.files.reduce((sum, f) => sum + f.file.size, 0) ?? 0;
  return {
    source: manifest.source,
    commit: published.commit,
    model: placement.name,
    layout: placement.layout,
    path: published.path,
    files: manifest.files.length,
    bytes,
    bytesMoved: result?.bytesMoved ?? 0,
    bytesPresent: bytes - fetched + (result?.bytesPresent ?? 0),
    provenBySize: result?.files.filter((f) => f.proof === "size").length ?? 0,
    elapsed,
  };
}
