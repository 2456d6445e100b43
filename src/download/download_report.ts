import { listFiles } from "../cache/files.ts";
import { nameOf, recordPath } from "../cache/layout.ts";
import type { Placement, PublishedModel } from "../cache/placement.ts";
import { readRecord } from "../cache/record.ts";
import { type Manifest, type ManifestFile, totalBytes } from "../sources/manifest.ts";
import { filesOfQuantisation } from "../sources/quantisation.ts";
import type { TransferResult } from "../transfer/types.ts";
import { assertSigned, filesIn, type SignatureTrust } from "./check_signature.ts";

export interface DownloadReport extends PublishedModel {
  /** Canonical URI; `unknown` without a record. */
  readonly source: string;
  readonly model: string;
  readonly layout: Placement["layout"];
  readonly files: number;
  readonly bytes: number;
  /** Bytes from the network. */
  readonly bytesMoved: number;
  /** Bytes that were already on disk. */
  readonly bytesPresent: number;
  /** Files of this run that were checked only by size: without a digest, or with `--no-verify`. */
  readonly provenBySize: number;
  readonly elapsedMs: number;
}

/** @param result `null` if nothing was missing. */
export function reportOf(
  { name, layout }: Placement,
  { source, files }: Pick<Manifest, "source"> & { readonly files: readonly Pick<ManifestFile, "size">[] },
  { path, commit }: PublishedModel,
  result: TransferResult | null,
  elapsed: number,
): DownloadReport {
  const { files: fetched = [], bytesMoved = 0, bytesPresent = 0 } = result ?? {};
  const bytes = totalBytes({ files });
  return {
    source,
    commit,
    model: name,
    layout,
    path,
    files: files.length,
    bytes,
    bytesMoved,
    bytesPresent: bytes - totalBytes({ files: fetched.map(({ file }) => file) }) + bytesPresent,
    provenBySize: fetched.filter(({ proof }) => proof === "size").length,
    elapsedMs: Math.round(elapsed),
  };
}

/**
 * The report for a model that is complete on disk, without contacting its source.
 *
 * @throws {AimError} `integrity` if it differs from what was signed.
 */
export async function inCache(
  placement: Placement,
  { revision, signature = null, signal }: {
    readonly revision?: string | undefined;
    readonly signature?: SignatureTrust | null;
    readonly signal: AbortSignal;
  },
): Promise<DownloadReport | null> {
  const { state, path } = await placement.look(revision);
  if (state !== "complete") return null;
  const { name, layout, quantisation } = placement;
  const record = await readRecord(recordPath({ path, layout }));
  const files = record?.files ?? [...await listFiles(path)].map(([path, size]) => ({ path, size }));
  const isOwn = quantisation === undefined ? () => true : filesOfQuantisation(quantisation);
  if (signature !== null) await assertSigned(signature, name, await filesIn(path), signal);
  const manifest = { source: record?.source ?? "unknown", files: files.filter(({ path }) => isOwn(path)) };
  const commit = record?.commit ?? (layout === "hub" ? nameOf(path) : null);
  return reportOf(placement, manifest, { path, commit }, null, 0);
}
