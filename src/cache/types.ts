import type { Manifest, ManifestFile } from "../sources/manifest.ts";
import type { Remedy, Verdict } from "./judge/types.ts";
import type { FinishedLog } from "./finished_files.ts";
import type { TransferItem, TransferResult } from "../transfer/types.ts";

/** The two ways in which models are stored. */
export type LayoutName = "local" | "hub";

/** Paths of the caches, by `AIM_CACHE_PATH`, `HF_HOME` and `HF_HUB_CACHE`. All absolute. */
export interface CachePaths {
  /** `AIM_CACHE_PATH`: local directories are `<root>/org/model`. */
  readonly root: string;
  /** `HF_HUB_CACHE`, else `HF_HOME/hub`: hub layouts are `<hub>/models--org--model`. */
  readonly hub: string;
  /** `HF_HOME`. */
  readonly hfHome: string;
}

/** A complete model in the cache. */
export interface StoredModel extends PublishedModel {
  readonly source: string;
  readonly files: number;
  /** Of all files. */
  readonly bytes: number;
}

/** The plan of a download into one layout. */
export interface PlacementPlan {
  /** Files to download. */
  readonly items: readonly TransferItem[];
  /** Complete files on disk, by size and recorded digest: they are not hashed again. */
  readonly present: readonly ManifestFile[];
  /** Names of the blobs of the present files, by path (Hugging Face cache only). */
  readonly blobs: ReadonlyMap<string, string>;
  /** Absolute paths of present files without a blob, on a file system without links (Hugging Face cache only). */
  readonly copies: ReadonlyMap<string, string>;
  /** Files of the other layout may be used. */
  readonly adopt: boolean;
}

export interface PlanOptions {
  /** Ignores files on disk. @default {false} */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

/** One model in one layout while it is downloaded: `plan`, `begin`, then a transfer, then `publish`. */
export interface Placement {
  readonly layout: LayoutName;
  /** The local name, `org/model`. */
  readonly name: string;
  /** The model's own directory, with the lease and all partial files. */
  readonly directory: string;
  /** The trusted directory above it. No link below it is followed. */
  readonly root: string;
  /** The published model, if it is this manifest's and complete by sizes and records: nothing is left to do. */
  existing(manifest: Manifest): Promise<PublishedModel | null>;
  /** The model on disk, without asking its source; `null` if it is not complete. */
  lookUp(revision: string | undefined): Promise<StoredModel | null>;
  /** Makes the directory of the lease. @throws {AimError} `no-space` if a planted link would lead out of the cache. */
  secure(): void;
  /** Opens the log of finished files, which need no hashing after a kill. */
  log(manifest: Manifest): FinishedLog;
  /** @throws {AimError} `integrity` for a file whose name is not possible here. */
  check(manifest: Manifest): void;
  /** Checks the names, and plans what is missing. Creates nothing. */
  plan(manifest: Manifest, options?: PlanOptions): Promise<PlacementPlan>;
  /**
   * Prepares a transfer: makes directories, revokes the record of a complete model, and links files of the other
   * layout whose digest is right. Returns the rest of the plan.
   */
  begin(manifest: Manifest, plan: PlacementPlan, signal?: AbortSignal): Promise<PlacementPlan>;
  /** Makes a finished transfer a model: links, refs, Python's metadata, and last the record. Idempotent. */
  publish(manifest: Manifest, plan: PlacementPlan, result: TransferResult): Promise<PublishedModel>;
}

export interface PublishedModel {
  /** The model directory, or the snapshot. */
  readonly path: string;
  readonly commit: string | null;
}

/** A place that was searched for a model, and what was found there. */
export interface PlaceLookedAt {
  readonly layout: LayoutName | "path";
  readonly path: string;
  readonly state: Verdict["state"];
  /** What is missing or wrong, such as "model-00002-of-00002.safetensors is missing". */
  readonly reason: string;
  /** What fixes it, if it is partial or damaged. */
  readonly remedy?: Remedy;
  /** The engine's file of a GGUF quantisation, relative to `path`. */
  readonly gguf?: string;
}

/** Where serving would find a model, or that it is missing. */
export type ModelPlace =
  | {
    readonly kind: "path";
    /** The directory, the snapshot with a GGUF quantisation, or the file that the user named. */
    readonly path: string;
    readonly name: string;
    /** The engine's file in it, if a GGUF quantisation was asked for. */
    readonly gguf?: string;
    readonly looked: readonly PlaceLookedAt[];
  }
  | {
    readonly kind: "hub";
    /** `org/model`: vLLM's argument. vLLM finds the snapshot by `env`. */
    readonly id: string;
    readonly snapshot: string;
    readonly revision: string;
    /** `HF_HOME` or `HF_HUB_CACHE`, and `HF_HUB_OFFLINE=1`. */
    readonly env: Readonly<Record<string, string>>;
    readonly looked: readonly PlaceLookedAt[];
  }
  | { readonly kind: "missing"; readonly looked: readonly PlaceLookedAt[] };
