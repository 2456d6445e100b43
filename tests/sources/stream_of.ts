import type { RangeBody } from "../../src/sources/source.ts";

/** A body as a stream that `Response` accepts. */
export function streamOf({ body }: Pick<RangeBody, "body">): ReadableStream<Uint8Array<ArrayBuffer>> {
  return body as ReadableStream<Uint8Array<ArrayBuffer>>;
}
