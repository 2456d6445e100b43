/** Status line and header fields of an HTTP/1.1 response. */
export interface ResponseHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: [name: string, value: string][];
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
  const headers: [string, string][] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).toLowerCase(), value = line.slice(colon + 1).trim();
    if (!TOKEN.test(name) || /[\0\r\n]/.test(value)) return null;
    headers.push([name, value]);
  }
  const valuesOf = (wanted: string) => headers.filter(([name]) => name === wanted).map(([, value]) => value);
  // A second length, or two that differ, could end the body at the wrong byte.
  const [stated = "", another] = valuesOf("content-length");
  if (another !== undefined) return null;
  const status = Number(code);
  const isEmpty = method === "HEAD" || (method === "CONNECT" && status < 300) || status < 200 ||
    status === 204 || status === 304;
  const isPlain = /^\d{1,15}$/.test(stated) &&
    headers.every(([name]) => name !== "transfer-encoding" && name !== "content-encoding");
  const size = isPlain ? Number(stated) : null;
  const known = isEmpty ? 0 : size;
  // A server that refuses is not asked again only to read why: the status says it all.
  const length = known ?? (status === 429 || status >= 500 ? 0 : null);
  if (length === null) return null;
  const closes = /\bclose\b/i.test(valuesOf("connection").join());
  return { status, headers, length, reusable: minor === "1" && !closes && known !== null };
}
