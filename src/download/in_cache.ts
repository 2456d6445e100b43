import type { Placement } from "../cache/types.ts";
import type { DownloadReport } from "./download_report.ts";

/**
 * The report of a download that had nothing to do: the model as it is in its placement already; `null` where
 * it is not whole.
 */
export async function inCache(
  placement: Placement,
  revision: string | undefined,
): Promise<DownloadReport | null> {
  const found = await placement.lookUp(revision);
  if (found === null) return null;
  return {
    ...found,
    layout: placement.layout,
    bytesMoved: 0,
    bytesPresent: found.bytes,
    provenBySize: 0,
    elapsed: 0,
  };
}
