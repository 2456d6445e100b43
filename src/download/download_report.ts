import type { Placement, PublishedModel, StoredModel } from "../cache/placement.ts";
import { type Manifest, totalBytes } from "../sources/manifest.ts";
import type { TransferResult } from "../transfer/types.ts";
import { assertSigned, filesIn, type SignatureTrust } from "./check_signature.ts";

/** The result of a download. */
export interface DownloadReport extends StoredModel {
  /** The local name, `org/model`. */
  readonly model: string;
  readonly layout: Placement["layout"];
  /** Bytes from the network. */
  readonly bytesMoved: number;
  /** Bytes on disk before. */
  readonly bytesPresent: number;
  /** Files of this run of which only the size was checked: without a digest, or with `--no-verify`. */
  readonly provenBySize: number;
  readonly elapsedMs: number;
}

/** The report of a download. @param result Of its transfer; `null` if nothing was missing. */
export function reportOf(
  { name, layout }: Placement,
  manifest: Manifest,
  { path, commit }: PublishedModel,
  result: TransferResult | null,
  elapsed: number,
): DownloadReport {
  const bytes = totalBytes(manifest);
  const { files: fetched = [], bytesMoved = 0, bytesPresent = 0 } = result ?? {};
  return {
    source: manifest.source,
    commit,
    model: name,
    layout,
    path,
    files: manifest.files.length,
    bytes,
    bytesMoved,
    bytesPresent: bytes - totalBytes({ files: fetched.map(({ file }) => file) }) + bytesPresent,
    provenBySize: fetched.filter(({ proof }) => proof === "size").length,
    elapsedMs: Math.round(elapsed),
  };
}

/**
 * The report for a model that is complete on disk; `null` if it is not complete. Checks a required signature.
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
  const found = await placement.lookUp(revision);
  if (found === null) return null;
  if (signature !== null) {
    await assertSigned(signature, placement.name, await filesIn(found.path), signal);
  }
  const { name, layout } = placement;
  return {
    ...found,
    model: name,
    layout,
    bytesMoved: 0,
    bytesPresent: found.bytes,
    provenBySize: 0,
    elapsedMs: 0,
  };
}
