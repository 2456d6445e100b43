import type { ModelKey } from "./models.ts";

/** A running server with all of {@linkcode MODELS}. */
export interface Subject extends AsyncDisposable {
  /** Environment for aim: endpoint and credentials. */
  readonly env: Readonly<Record<string, string>>;
  /** aim's reference to a model, such as `hf://org/weights`. */
  reference(model: ModelKey): string;
  /** A reference to a missing model. */
  readonly missing: string;
  /** The environment with unknown credentials. */
  readonly unknownCredentials: Readonly<Record<string, string>>;
  /** Status of the response to a request for a large file with another ETag (`If-Match`). */
  underOtherEtag(): Promise<number>;
  /** Replaces a file of the model `changing`. */
  replace(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** A test server: one row of the table in the README. */
export interface ServerRow {
  /** The row's name. */
  readonly name: string;
  /** Behaviours that this server gets wrong, with the table's text; Python's client fails with them too. */
  readonly limits?: Readonly<Record<string, string>>;
  /** Starts it with all models, or returns which program is missing. */
  start(): Promise<Subject | { readonly skip: string }>;
}
