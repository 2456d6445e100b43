import { concat } from "@std/bytes/concat";
import { AimError } from "../../errors/aim_error.ts";

interface WithBody {
  readonly body: ReadableStream<Uint8Array> | null;
}

/** Maximum bytes of an answer that is held in memory. */
export const LARGEST_ANSWER = 8 * 2 ** 20;

/**
 * Reads a body into memory, decoded, up to a limit: a body without end or a compression bomb stops there.
 *
 * @param host Named in the error.
 * @throws {AimError} `network` if the body is longer than `limit` bytes.
 */
export async function readBounded(
  { body }: WithBody,
  host: string,
  limit: number = LARGEST_ANSWER,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the body.
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > limit) {
      const message = `${host} sent more than ${limit} bytes where a short answer was expected`;
      throw new AimError("network", message, {
        hint: "check the address: no model source answers like this",
      });
    }
    chunks.push(chunk);
  }
  return concat(chunks);
}

/** The first bytes of a body as text, for an error message. If the connection breaks, what has arrived. */
export async function readStart({ body }: WithBody, limit = 65536): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  try {
    for await (const chunk of body ?? []) {
      text += decoder.decode(chunk.subarray(0, limit - length), { stream: true });
      length += chunk.length;
      if (length >= limit) break;
    }
  } catch { /* a message needs no more */ }
  return text;
}

/**
 * Reads a small body that nobody needs, so that its connection can be used again. Cancels any other: without
 * a length, it may end only when the server closes the connection.
 */
export async function discard({ body, headers }: Response): Promise<void> {
  if (Number(headers.get("content-length") ?? Infinity) > 65536) await body?.cancel().catch(() => {});
  else await readStart({ body });
}
