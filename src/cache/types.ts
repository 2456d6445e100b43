import type { Manifest, ManifestFile } from "../sources/manifest.ts";
import type { Remedy, Verdict } from "./judge/types.ts";
import type { FinishedLog } from "./finished_files.ts";
import type { TransferItem, TransferResult } from "../transfer/types.ts";

/** The two ways a model lies on disk. */
export type LayoutName = "local" | "hub";

/** Where caches lie: the paths that follow from `AIM_CACHE_PATH`, `HF_HOME` and `HF_HUB_CACHE`. All absolute. */
export interface CachePaths {
  /** `AIM_CACHE_PATH`: local directories are `<root>/org/model`. */
  readonly root: string;
  /** `HF_HUB_CACHE`, else `HF_HOME/hub`: hub layouts are `<hub>/models--org--model`. */
  readonly hub: string;
  /** `HF_HOME`. */
  readonly hfHome: string;
}

/** A whole model in the cache. */
export interface StoredModel extends PublishedModel {
  readonly source: string;
  readonly files: number;
  /** All of its files, in bytes. */
  readonly bytes: number;
}

/** What one layout makes of a manifest, before any byte moves. */
export interface PlacementPlan {
  /** Files that must be brought. */
  readonly items: readonly TransferItem[];
  /** Files that are already there, whole: by size and recorded digest, not re-hashed. */
  readonly present: readonly ManifestFile[];
  /** Names of the blobs of the present files, by path (Hugging Face cache only). */
  readonly blobs: ReadonlyMap<string, string>;
  /** Absolute paths of present files that have no blob, since the file system has no links (Hugging Face cache only). */
  readonly copies: ReadonlyMap<string, string>;
  /** The other layout may give files instead of the network. */
  readonly adopt: boolean;
}

/** Options of `plan`. */
export interface PlanOptions {
  /** Nothing counts as present. @default {false} */
  readonly force?: boolean;
  /** Ends hashing of files of unknown origin. */
  readonly signal?: AbortSignal;
}

/** One model's place in one layout: `plan`, `begin`, then a transfer, then `publish`. */
export interface Placement {
  readonly layout: LayoutName;
  /** The local name, `org/model`. */
  readonly name: string;
  /** Directory that belongs to this model alone: the lease and everything staged lie in it. */
  readonly directory: string;
  /** The trusted directory above it, below which no link is followed. */
  readonly root: string;
  /**
   * The published model, when all of this very manifest is there and published already (by sizes and records, nothing is
   * re-hashed): then there is nothing to do. The download workflow asks this before it takes the lease.
   */
  existing(manifest: Manifest): Promise<PublishedModel | null>;
  /** The model as it lies there, whole, asking no source; `null` where it is not whole. */
  lookUp(revision: string | undefined): Promise<StoredModel | null>;
  /** Makes the model's directory, which holds the lease. @throws {AimError} `no-space` where a planted link would lead out of the cache. */
  secure(): void;
  /** Opens the log of finished files: a run that is killed need not hash them again. */
  log(manifest: Manifest): FinishedLog;
  /** @throws {AimError} `integrity` for a file whose name cannot be written here. */
  check(manifest: Manifest): void;
  /** Checks the names, looks at what is there, and plans the rest. Creates nothing. */
  plan(manifest: Manifest, options?: PlanOptions): Promise<PlacementPlan>;
  /**
   * Makes ready for a transfer: directories, checked for planted links; what says that the model is whole is taken back; files that
   * lie in the other layout on the same file system are linked instead of fetched, once their digest is proven. Returns what is
   * then left to do.
   */
  begin(manifest: Manifest, plan: PlacementPlan, signal?: AbortSignal): Promise<PlacementPlan>;
  /**
   * Makes the finished transfer a model: links, refs, Python's metadata files, and last of all `.aim/manifest.json`.
   * Idempotent; safe when two processes do it at once.
   */
  publish(manifest: Manifest, plan: PlacementPlan, result: TransferResult): Promise<PublishedModel>;
}

export interface PublishedModel {
  /** What a reader opens: the model directory, or the snapshot directory. */
  readonly path: string;
  readonly commit: string | null;
}

/** A place that was searched for a model, and what was found there. */
export interface PlaceLookedAt {
  readonly layout: LayoutName | "path";
  readonly path: string;
  readonly state: Verdict["state"];
  /** One clause: what is missing or wrong ("model-00002-of-00002.safetensors is missing"). */
  readonly reason: string;
  /** What fixes it; only where it is partial or damaged. */
  readonly remedy?: Remedy;
  /** The file that an engine is given of a GGUF quantisation, relative to `path`. */
  readonly gguf?: string;
}

/** Where serving would find a model, or that it is missing. */
export type ModelPlace =
  | {
    readonly kind: "path";
    /** The directory, or a snapshot that one GGUF quantisation is in; what the user named where that is a file. */
    readonly path: string;
    readonly name: string;
    /** The file in it that an engine is given, where a GGUF quantisation was asked for. */
    readonly gguf?: string;
    readonly looked: readonly PlaceLookedAt[];
  }
  | {
    readonly kind: "hub";
    /** `org/model`: what vLLM is given; it finds the snapshot by `env`. */
    readonly id: string;
    readonly snapshot: string;
    readonly revision: string;
    /** `HF_HOME` or `HF_HUB_CACHE`, and `HF_HUB_OFFLINE=1`. */
    readonly env: Readonly<Record<string, string>>;
    readonly looked: readonly PlaceLookedAt[];
  }
  | { readonly kind: "missing"; readonly looked: readonly PlaceLookedAt[] };
