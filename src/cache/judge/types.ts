import type { Remedy } from "./remedy_in_words.ts";
import type { RecordedFile } from "../record.ts";

/** A fault of one file. */
export interface FileFault {
  /** Relative to the model. */
  readonly path: string;
  /** `missing` (or a dangling link), `size`, `content` (not weights, cut, a bad digest), `unreadable` for this user. */
  readonly kind: "missing" | "size" | "content" | "unreadable";
  /** A clause without its subject, the path. */
  readonly reason: string;
}

/** The state of a model on disk. */
export type Verdict =
  /** `gguf`: the engine's file of the requested quantisation. */
  | { readonly state: "complete"; readonly reason: string; readonly gguf?: string }
  | { readonly state: "absent"; readonly reason: string }
  /** `partial`: a file is missing. `damaged`: a file is wrong or cannot be read. */
  | {
    readonly state: "partial" | "damaged";
    readonly reason: string;
    readonly remedy: Remedy;
    /** Empty if no single file is at fault. */
    readonly faults: readonly FileFault[];
  };

/** What the judge needs. Paths are relative to the model, sizes are bytes. */
export interface ModelContents {
  /** Sizes, links followed. */
  readonly files: ReadonlyMap<string, number>;
  /** Links whose target does not exist. */
  readonly dangling: readonly string[];
  /** The files of the download; `null` without a record. */
  readonly record: readonly RecordedFile[] | null;
  /** Sizes in Python's note. */
  readonly noted: ReadonlyMap<string, number>;
  /** A partial file of this model; `null` without one. */
  readonly unfinished: string | null;
  /** Bad files that `cache verify` found, with the reason. */
  readonly foundBad: ReadonlyMap<string, string>;
  /** The folder of the weights, with a final `/`; `null` for the top, or a pipeline's components. */
  readonly weightsFolder: string | null;
  /** Finds what is wrong with a file of this size by its first bytes; `null` for nothing. */
  head(path: string, size: number): Pick<FileFault, "kind" | "reason"> | null;
  /** Reads a text; `null` if it cannot be read. */
  text(path: string): string | null;
}
