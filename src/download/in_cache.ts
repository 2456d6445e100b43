import type { Placement } from "../cache/types.ts";
import { assertSigned, cachedFiles, type SignatureTrust } from "./check_signature.ts";
import type { DownloadReport } from "./download_report.ts";

/**
 * The report of a download that had nothing to do: the model as it is in its placement already; `null` where
 * it is not whole. It is held to the signature that is asked for.
 *
 * @throws {AimError} `integrity` where it is not what was signed.
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
    layout: placement.layout,
    bytesMoved: 0,
    bytesPresent: found.bytes,
    provenBySize: 0,
    elapsed: 0,
  };
}
