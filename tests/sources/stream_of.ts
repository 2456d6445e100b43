import type { RangeBody } from "../../src/sources/source.ts";

/** A body as a stream, whichever it is. */
export function streamOf({ body }: Pick<RangeBody, "body">): ReadableStream<Uint8Array<ArrayBuffer>> {
  if (body instanceof ReadableStream) return body as ReadableStream<Uint8Array<ArrayBuffer>>;
  return new ReadableStream({
    async pull(controller) {
      const buffer = new Uint8Array(64 * 1024);
      const count = await body.read(buffer);
      if (count === null) controller.close();
      else controller.enqueue(buffer.slice(0, count));
    },
    cancel: () => body.cancel(),
  });
}
