import type { Config } from "../config/config.ts";
import type { DownloadReport } from "../download/download_report.ts";
import type { GpuInventory } from "../gpu/types.ts";
import type { TransferEvent } from "../transfer/types.ts";

export interface ServeOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly gpus: GpuInventory;
  /** The words after `--`. */
  readonly engineWords: readonly string[];
  /** Read only for a download. */
  readonly signal: AbortSignal;
  /** Called with the milliseconds of each step, right before the engine starts. */
  readonly onTimings?: (steps: Readonly<Record<string, number>>) => void;
  /** Opened when a download starts. */
  readonly openProgress: () => ServeProgress;
}

/** The display of a download's progress. */
export interface ServeProgress {
  onEvent(event: TransferEvent): void;
  finish(report: DownloadReport): void;
  close(): void;
}
