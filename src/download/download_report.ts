import type { Placement } from "../cache/types.ts";

/** The result of a download. */
export interface DownloadReport {
  /** Canonical URI of the source. */
  readonly source: string;
  readonly commit: string | null;
  /** The local name, `org/model`. */
  readonly model: string;
  readonly layout: Placement["layout"];
  /** The model directory, or the snapshot. */
  readonly path: string;
  readonly files: number;
  /** Of the complete model. */
  readonly bytes: number;
  /** Bytes from the network. */
  readonly bytesMoved: number;
  /** Bytes on disk before. */
  readonly bytesPresent: number;
  /** Files of this run of which only the size was checked: without a digest, or with `--no-verify`. */
  readonly provenBySize: number;
  /** Milliseconds. */
  readonly elapsed: number;
}
