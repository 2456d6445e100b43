import type { RecordedFile } from "../record.ts";

/** What is wrong with one file. */
export interface FileFault {
  /** Relative to the model. */
  readonly path: string;
  /**
   * `missing` (also a link that leads nowhere), `size`, `content` (no weights, a cut file, a bad digest), `unreadable` (this user may
   * not open it).
   */
  readonly kind: "missing" | "size" | "content" | "unreadable";
  /** One clause that begins with the path. */
  readonly reason: string;
}

/**
 * What fixes a model: `repair` fetches the bad files again, `finish` reruns the download, `permissions` lets this user read it, `links`
 * allows a link out of the cache, `base` serves an adapter's base model instead.
 */
export type Remedy = "repair" | "finish" | "permissions" | "links" | "base";

/** What a model on disk is worth. */
export type Verdict =
  /** Whole. `gguf`: the file of the quantisation asked for that an engine is given. */
  | { readonly state: "complete"; readonly reason: string; readonly gguf?: string }
  /** Nothing of a model. */
  | { readonly state: "absent"; readonly reason: string }
  /** `partial`: something is missing. `damaged`: something is there and wrong, or cannot be read. */
  | {
    readonly state: "partial" | "damaged";
    readonly reason: string;
    readonly remedy: Remedy;
    /** Every file that is at fault; empty where the model as a whole is. */
    readonly faults: readonly FileFault[];
  };

/** What the first bytes of a file say it is. */
export type Head =
  /** `length`: bytes that the file should have by its header. */
  | { readonly kind: "safetensors"; readonly length: number }
  | { readonly kind: "gguf" | "other" | "pointer" | "html" | "zeros" }
  /** This user cannot read it; `why` is the system's word. */
  | { readonly kind: "unreadable"; readonly why: string };

/** Everything the judge goes by. Paths are relative to the model, sizes are bytes. */
export interface ModelContents {
  /** Files, links followed. */
  readonly files: ReadonlyMap<string, number>;
  /** Where an engine loads weights from, with a final `/`. @default {the top, or a pipeline's components} */
  readonly weightsFolder?: string;
  /** Links that lead nowhere. */
  readonly dangling: readonly string[];
  /** What the model was downloaded as; `null` where nothing says so. */
  readonly record: readonly RecordedFile[] | null;
  /** Sizes that Python's client noted. */
  readonly noted: ReadonlyMap<string, number>;
  /** A partial file of this very model; `null` without one. */
  readonly unfinished: string | null;
  /** Files that `cache verify` found bad, with the reason. */
  readonly foundBad: ReadonlyMap<string, string>;
  /** Configurations and indexes; a file that cannot be read is not in it. */
  readonly texts: ReadonlyMap<string, string>;
  /** Heads of weights, and of the other files that an engine reads. */
  readonly heads: ReadonlyMap<string, Head>;
}
