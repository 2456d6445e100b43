import type { ModelKey } from "./models.ts";

/** A running server with all of {@linkcode MODELS}. */
export interface Subject extends AsyncDisposable {
  /** Environment for aim: endpoint, credentials, nothing else. */
  readonly env: Readonly<Record<string, string>>;
  /** What aim names a model by, as `hf://org/weights`. */
  reference(model: ModelKey): string;
  /** A reference to a model that is not there. */
  readonly missing: string;
  /** The environment with credentials that the server does not know. */
  readonly stranger: Readonly<Record<string, string>>;
  /** Status of the answer to a request for a large file under the condition of another ETag (`If-Match`). */
  underOtherEtag(): Promise<number>;
  /** Gives a file of the model `changing` another content. */
  replace(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** A server that the tests know: one row of the table in the README. */
export interface ServerRow {
  /** As the table names it. */
  readonly name: string;
  /** What this server gets wrong, by behaviour, as the table says it; Python's client fails by it too. */
  readonly limits?: Readonly<Record<string, string>>;
  /** Starts it with all models; says why where a program is missing. */
  start(): Promise<Subject | { readonly skip: string }>;
}
