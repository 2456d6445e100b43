import type { ByteReader } from "../source.ts";

/** An answer's header fields. Names are found in any case; `Headers` is one. */
export type AnswerHeaders = Pick<Headers, "get" | "has">;

/** An answer to a request for a file; `fetch`'s own is one. */
export interface Answer {
  readonly status: number;
  /** The status is 200 to 299. */
  readonly ok: boolean;
  readonly headers: AnswerHeaders;
  readonly body: ReadableStream<Uint8Array> | ByteReader | null;
  text(): Promise<string>;
  arrayBuffer(): Promise<ArrayBuffer>;
}
