import { concat } from "@std/bytes/concat";
import { AimError } from "../../errors/aim_error.ts";

interface WithBody {
  readonly body: ReadableStream<Uint8Array> | null;
}

/** Maximum bytes of a response that is read into memory. */
export const LARGEST_ANSWER = 8 * 2 ** 20;

/**
 * Reads a body into memory, decoded, up to a limit, which stops an endless body or a compression bomb.
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
      const message = `${host} sent more than ${limit} bytes where a short response was expected`;
      throw new AimError("network", message, {
        hint: "check the address: no model source responds like this",
      });
    }
    chunks.push(chunk);
  }
  return concat(chunks);
}

/** The first bytes of a body as text, for an error message; fewer if the connection breaks. */
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
  } catch { /* what has arrived is enough */ }
  return text;
}

/**
 * Discards a body: reads a small one, so that its connection can be reused, and cancels any other. A body
 * without a length may end only when the server closes the connection.
 */
export async function discard({ body, headers }: Response): Promise<void> {
  if (Number(headers.get("content-length") ?? Infinity) > 65536) await body?.cancel().catch(() => {});
  else await readStart({ body });
}
