/** Status line and header fields of an HTTP/1.1 response. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
  /** Bytes of the body. */
  readonly length: number;
  /** Whether another request may follow on the connection. */
  readonly reusable: boolean;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Reads the head of a response whose body is sent as it is, with a length (RFC 9112).
 *
 * @param bytes The head with the empty line at its end.
 * @param method The request's, which decides whether there is a body.
 * @returns `null` for anything else: chunked, encoded, without a length, or not well-formed.
 */
export function responseHead(bytes: Uint8Array, method: string): ResponseHead | null {
  // As `fetch` does: each byte is a character. A `TextDecoder` has no such encoding, its latin1 is windows-1252.
  const text = String.fromCharCode(...bytes);
  if (!text.endsWith("\r\n\r\n")) return null;
  const [first = "", ...lines] = text.slice(0, -4).split("\r\n");
  const [, minor, code] = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?$/.exec(first) ?? [];
  if (code === undefined) return null;
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)), value = line.slice(colon + 1).trim();
    // A second length, or two that differ, could end the body at the wrong byte.
    const repeated = name.toLowerCase() === "content-length" && headers.has(name);
    if (!TOKEN.test(name) || /[\0\r\n]/.test(value) || repeated) return null;
    headers.append(name, value);
  }
  const status = Number(code);
  const isEmpty = method === "HEAD" || (method === "CONNECT" && status < 300) || status < 200 ||
    status === 204 || status === 304;
  const known = isEmpty ? 0 : lengthOf(headers);
  // A server that refuses is not asked again only to read why: the status says it all.
  const length = known ?? (status === 429 || status >= 500 ? 0 : null);
  if (length === null) return null;
  const closes = /\bclose\b/i.test(headers.get("connection") ?? "");
  return { status, headers, length, reusable: minor === "1" && !closes && known !== null };
}

function lengthOf(headers: Headers): number | null {
  if (headers.has("transfer-encoding") || headers.has("content-encoding")) return null;
  const length = headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(length) ? Number(length) : null;
}
