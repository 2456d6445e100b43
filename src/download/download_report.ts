import type { Placement } from "../cache/types.ts";

/** What a download did. */
export interface DownloadReport {
  /** Canonical URI of the source. */
  readonly source: string;
  readonly commit: string | null;
  readonly layout: Placement["layout"];
  /** What a reader opens: the model directory, or the snapshot directory. */
  readonly path: string;
  readonly files: number;
  /** All of the model, in bytes. */
  readonly bytes: number;
  /** Bytes that came over the network. */
  readonly bytesMoved: number;
  /** Bytes that were there before. */
  readonly bytesPresent: number;
  /**
   * Files of this run that were proven by size alone, since the source stores no digest or `--no-verify` was
   * given.
   */
  readonly provenBySize: number;
  /** Milliseconds. */
  readonly elapsed: number;
}
