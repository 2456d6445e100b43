import type { Config } from "../config/config.ts";
import type { DownloadReport } from "../download/download_report.ts";
import type { GpuInventory } from "../gpu/types.ts";
import type { TransferEvent } from "../transfer/types.ts";

/** What serving needs. */
export interface ServeOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly gpus: GpuInventory;
  /** What follows `--` on the command line. */
  readonly engineWords: readonly string[];
  /** Not looked at if nothing is downloaded. */
  readonly signal: AbortSignal;
  /** Told how long each step took, in milliseconds, right before the engine starts. */
  readonly onTimings?: (steps: Readonly<Record<string, number>>) => void;
  /** Opened when a download starts. */
  readonly openProgress: () => ServeProgress;
}

/** Where a download's progress goes. */
export interface ServeProgress {
  onEvent(event: TransferEvent): void;
  finish(report: DownloadReport): void;
  close(): void;
}
