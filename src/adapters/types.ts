/** The `AIM_ADAPTER_*` settings for LoRA adapters. */
export interface AdapterSettings {
  /** Folder with one folder per adapter. */
  readonly source: string;
  readonly mode: "static" | "dynamic";
  /** Adapters in GPU memory at once. */
  readonly maxCount: number;
  /** Adapters in host memory at once. */
  readonly maxCpuCount: number;
  readonly maxRank: number;
}

/** An adapter on disk. */
export interface Adapter {
  /** The folder's name, which clients use. */
  readonly name: string;
  readonly path: string;
  /** Changes when a file of the adapter changes. */
  readonly stamp: string;
}
