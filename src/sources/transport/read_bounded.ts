import { AimError } from "../../errors/aim_error.ts";

/** Bytes of an answer that is held in memory, at most. */
export const LARGEST_ANSWER = 8 * 2 ** 20;

/**
 * Reads a body into memory, decoded, up to a limit: a body without end or a compression bomb stops there.
 *
 * @param host Named in the error.
 * @throws {AimError} `network`, when the body is longer than `limit` bytes.
 */
export async function readBounded(
  response: { readonly body: ReadableStream<Uint8Array> | null },
  host: string,
  limit: number = LARGEST_ANSWER,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the body.
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > limit) {
      throw new AimError(
        "network",
        `${host} sent more than ${limit} bytes where a short answer was expected`,
        { hint: "check the address: no model source answers like this" },
      );
    }
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Only the first bytes of a body as text: for the error message. */
export async function readStart(
  response: { readonly body: ReadableStream<Uint8Array> | null },
  limit = 65536,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk.subarray(0, limit - length), { stream: true });
    length += chunk.length;
    if (length >= limit) break;
  }
  return text;
}
