import type { Config } from "../config/config.ts";
import type { Remedy } from "./judge/remedy_in_words.ts";
import type { Verdict } from "./judge/judge_model.ts";

export type LayoutName = "local" | "hub";

/** The settings with the caches' paths, which are absolute and without a final slash. */
export type CachePaths = Pick<Config, "cachePath" | "hfHome" | "hfHubCache">;

/** Which version of a model. */
export interface ModelVersion {
  /** Branch, tag or commit. @default {"main"; any revision of a local directory} */
  readonly revision?: string | undefined;
  /** GGUF quantisation. @default {the complete model} */
  readonly quantisation?: string | undefined;
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

/** Where serving finds a model, or that it is missing. */
export type ModelPlace =
  | {
    readonly kind: "path";
    /** The directory, the snapshot with a GGUF quantisation, or the file that the user named. */
    readonly path: string;
    readonly name: string;
    /** The engine's file in it, if a GGUF quantisation was requested. */
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
