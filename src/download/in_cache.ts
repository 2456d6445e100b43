import type { Placement } from "../cache/types.ts";
import { assertSigned, cachedFiles, type SignatureTrust } from "./check_signature.ts";
import type { DownloadReport } from "./download_report.ts";

/**
 * The report for a model that is complete on disk; `null` if it is not complete. Checks a required signature.
 *
 * @throws {AimError} `integrity` if it differs from what was signed.
 */
export async function inCache(
  placement: Placement,
  { revision, signature, signal }: {
    readonly revision?: string | undefined;
    readonly signature?: SignatureTrust | null;
    readonly signal: AbortSignal;
  },
): Promise<DownloadReport | null> {
  const found = await placement.lookUp(revision);
  if (found === null) return null;
  if (signature !== undefined && signature !== null) {
    await assertSigned(signature, placement.name, await cachedFiles(found.path), signal);
  }
  return {
    ...found,
    model: placement.name,
    layout: placement.layout,
    bytesMoved: 0,
    bytesPresent: found.bytes,
    provenBySize: 0,
    elapsed: 0,
  };
}
