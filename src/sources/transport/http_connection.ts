/** Maximum bytes of a response's head. */
const LONGEST_HEAD = 32 * 1024;
/** Milliseconds that a read may wait for more bytes, so that it fills its buffer. */
const FILL = 20;
const encoder = new TextEncoder();
const LF = 10, CR = 13;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Fields of a request by name, in lower case. */
export type RequestHeaders = Readonly<Record<string, string>>;

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

/** The connection ended before the first byte of a response. */
export class NoResponse extends Error {}

/** A connection to a server or a proxy that takes one request at a time. */
export class HttpConnection {
  /** When it became idle, in milliseconds of the monotonic clock. */
  idleSince = 0;
  readonly #conn: Deno.Conn;
  readonly #buffer = new Uint8Array(LONGEST_HEAD);
  /** Bytes that arrived with a head and are not read yet. */
  #rest: Uint8Array = new Uint8Array(0);
  /** The read of the next response's first bytes, if it has begun. */
  #early: { readonly reading: Promise<number | null>; isOver: boolean } | null = null;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  get waiting(): number {
    return this.#rest.length;
  }

  /** Reads while the connection is idle: if it ends, or if bytes arrive, it is not reused. */
  watch(): void {
    this.idleSince = performance.now();
    const early = { reading: this.#conn.read(this.#buffer), isOver: false };
    const onOver = () => void (early.isOver = true);
    early.reading.then(onOver, onOver);
    this.#early = early;
  }

  /**
   * Sends a request without a body, and reads the head of its response; `null` if only `fetch` can read it.
   *
   * @param fields Names and values, in ASCII and without line breaks.
   * @throws {NoResponse} no byte arrived: a server may close an idle connection at any time.
   */
  async ask(
    method: string,
    target: string,
    fields: RequestHeaders,
  ): Promise<ResponseHead | null> {
    if (this.#early?.isOver) noResponse();
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    const request = encoder.encode(`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
    try {
      for (let sent = 0; sent < request.length;) sent += await this.#conn.write(request.subarray(sent));
    } catch (error) {
      noResponse(error);
    }
    const buffer = this.#buffer;
    for (let have = 0;;) {
      const end = endOfHead(buffer.subarray(0, have));
      const head = end === null ? null : responseHead(buffer.subarray(0, end), method);
      if (end !== null && head !== null && head.status < 200) {
        // 100 and 103 come before the response.
        buffer.copyWithin(0, end, have);
        have -= end;
      } else if (end !== null || have === buffer.length) {
        this.#rest = buffer.subarray(end ?? have, have);
        return head;
      } else have += await this.#readHead(buffer.subarray(have), have === 0);
    }
  }

  async #readHead(into: Uint8Array, isFirst: boolean): Promise<number> {
    const reading = this.#early?.reading ?? this.#conn.read(into);
    this.#early = null;
    const count = isFirst ? await reading.catch((cause) => noResponse(cause)) : await reading;
    return count ?? (isFirst ? noResponse() : ended());
  }

  /**
   * Reads at least one byte of a body, and fills `into` if more arrive quickly: a read over TLS returns at
   * most 16 KiB.
   */
  async read(into: Uint8Array): Promise<number> {
    let have = Math.min(into.length, this.#rest.length);
    into.set(this.#rest.subarray(0, have));
    this.#rest = this.#rest.subarray(have);
    const started = performance.now();
    while (have < into.length && (have === 0 || performance.now() - started < FILL)) {
      const count = await this.#conn.read(into.subarray(have));
      if (count === null) {
        // The next read reports that the connection has ended.
        if (have > 0) break;
        ended();
      }
      have += count;
    }
    return have;
  }

  close(): void {
    try {
      this.#conn.close();
    } catch { /* closed already */ }
  }
}

function noResponse(cause?: unknown): never {
  throw new NoResponse("connection closed before a response", { cause });
}

function ended(): never {
  throw new Error("connection closed before the end of the response");
}

/** The offset after the empty line that ends a head. A lone LF ends a line too, and is rejected later. */
function endOfHead(bytes: Uint8Array): number | null {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return null;
}

/**
 * Parses the head of a response, up to its empty line (RFC 9112). `null` if the body is chunked, encoded or
 * without a length, or if the head is malformed.
 */
function responseHead(bytes: Uint8Array, method: string): ResponseHead | null {
  // Like `fetch`: each byte is a character. `TextDecoder` cannot do this: its latin1 is windows-1252.
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
  // `fetch` does not repeat a request only to read the body of such an error: the status is enough.
  const length = known ?? (status === 429 || status >= 500 ? 0 : null);
  if (length === null) return null;
  const closes = /\bclose\b/i.test(valuesOf("connection").join());
  return { status, headers, length, reusable: minor === "1" && !closes && known !== null };
}
