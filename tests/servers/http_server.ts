// A small HTTP/1.1 server on plain TCP. Unlike Deno.serve, it can send wrong lengths, cut bodies short and go
// silent, and it counts what it sends.
import type { Content } from "./content.ts";
import { bytesContent } from "./content.ts";
import { type Fault, FaultDraw, type Role, type SeenRequest } from "./faults.ts";

/** A handler's request. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent, `/a%20b?x=1`. */
  readonly target: string;
  readonly url: URL;
  readonly headers: Headers;
  /** The body in pieces; it can be read once. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** A handler's response. */
export type HttpReply =
  | PlainReply
  /** A file; the server handles ranges and conditions. `etag` includes its quotes. */
  | {
    readonly file: Content;
    readonly etag: string;
    /** Status for the complete file; 206 if the file itself is a part of something. @default {200} */
    readonly status?: 200 | 206;
    readonly headers?: Readonly<Record<string, string>>;
    /** The body (XML) for 412 and 416. */
    readonly explain?: (status: 412 | 416) => string;
  }
  /** Another server's response: `length` bytes from `start` of `total` bytes. */
  | {
    readonly relay: AsyncIterable<Uint8Array>;
    readonly status: number;
    readonly headers: Headers;
    readonly start: number;
    readonly length: number;
    readonly total: number;
  };

/** A response with its body in memory. */
export interface PlainReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface HttpServerOptions {
  /** @default {0} */
  readonly port?: number;
  /** PEM certificate and key, for TLS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Read on every request; the caller may change the list at any time. */
  readonly faults: readonly Fault[];
  readonly seed: number;
  /** The log of requests; each is added as it arrives. */
  readonly requests: SeenRequest[];
  /** Which part of the server a request is for, and which file. */
  readonly classify: (method: string, url: URL) => { role: Role; file: string | null };
  readonly handle: (request: HttpRequest) => Promise<HttpReply>;
  /** The response for the fault `status`. @default {plain text} */
  readonly failure?: (status: number, request: HttpRequest) => PlainReply;
}

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:PORT`, without a trailing slash. */
  readonly url: string;
  /** Connections open now. */
  readonly connections: number;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1. */
export function serveHttp(options: HttpServerOptions): HttpServer {
  const where = { hostname: "127.0.0.1", port: options.port ?? 0 };
  const listener = options.tls === undefined
    ? Deno.listen(where)
    : Deno.listenTls({ ...where, ...options.tls, alpnProtocols: ["http/1.1"] });
  const open = new Map<Deno.Conn, Promise<void>>();
  const draw = new FaultDraw(options.faults, options.seed);
  const started = performance.now();
  let count = 0;

  const accepting = (async () => {
    while (true) {
      let conn: Deno.Conn;
      try {
        conn = await listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        continue; // a failed TLS handshake
      }
      const serving = new Connection(conn, ++count, options, draw, started).serve()
        .catch(() => {}) // the client closed the connection
        .finally(() => {
          open.delete(conn);
          close(conn);
        });
      open.set(conn, serving);
    }
  })();

  const { port } = listener.addr as Deno.NetAddr;
  const stop = async () => {
    close(listener);
    const serving = [...open.values()];
    for (const conn of open.keys()) close(conn);
    await Promise.allSettled([accepting, ...serving]);
  };
  return {
    port,
    url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    get connections() {
      return open.size;
    },
    close: stop,
    [Symbol.asyncDispose]: stop,
  };
}

function close(resource: { close(): void }): void {
  try {
    resource.close();
  } catch {
    // already closed
  }
}

/** Ends the connection at once. */
class Hangup extends Error {}

class Connection {
  readonly #conn: Deno.Conn;
  readonly #number: number;
  readonly #options: HttpServerOptions;
  readonly #draw: FaultDraw;
  readonly #started: number;
  #pending: Uint8Array = new Uint8Array(0);
  /** Body bytes sent on this connection. */
  #carried = 0;

  constructor(
    conn: Deno.Conn,
    number: number,
    options: HttpServerOptions,
    draw: FaultDraw,
    started: number,
  ) {
    this.#conn = conn;
    this.#number = number;
    this.#options = options;
    this.#draw = draw;
    this.#started = started;
    if ("setNoDelay" in conn && typeof conn.setNoDelay === "function") conn.setNoDelay(true);
  }

  async serve(): Promise<void> {
    while (true) {
      const head = await this.#readHead();
      if (head === null) return;
      const keepAlive = await this.#answer(head);
      if (!keepAlive) return;
    }
  }

  async #answer(head: string): Promise<boolean> {
    const [requestLine = "", ...lines] = head.split("\r\n");
    const [method = "", target = "/"] = requestLine.split(" ");
    const headers = new Headers();
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon > 0) headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    }
    const url = new URL(
      target.startsWith("/") ? `http://${headers.get("host") ?? "localhost"}${target}` : target,
    );
    const { role, file } = this.#options.classify(method, url);
    const seen: SeenRequest = {
      method,
      target,
      role,
      file,
      range: headers.get("range"),
      authorized: headers.has("authorization"),
      headers,
      connection: this.#number,
      at: performance.now() - this.#started,
      status: 0,
      sent: 0,
      faults: [],
    };
    this.#options.requests.push(seen);
    const body = this.#body(headers);
    const request: HttpRequest = { method, target, url, headers, body };

    const latency = this.#draw.take("latency", seen);
    if (latency !== null) await sleep(latency.ms);
    if (this.#draw.take("stall", seen, (fault) => fault.after === "request") !== null) await this.#silence();
    const status = this.#draw.take("status", seen);
    let reply: HttpReply;
    if (status !== null) {
      const failure: PlainReply = this.#options.failure?.(status.status, request) ??
        { status: status.status, headers: { "content-type": "text/plain" }, body: "misbehaving as told\n" };
      const retryAfter = status.retryAfter === undefined
        ? undefined
        : { "retry-after": `${status.retryAfter}` };
      reply = { ...failure, headers: { ...failure.headers, ...retryAfter } };
    } else if (this.#draw.take("expired", seen) !== null) {
      reply = EXPIRED;
    } else {
      try {
        reply = await this.#options.handle(request);
      } catch (error) {
        if (error instanceof Hangup) throw error;
        reply = { status: 500, body: `${error}\n` };
      }
    }
    for await (const _ of body); // discards what the handler did not read
    await this.#send(seen, reply);
    return headers.get("connection")?.toLowerCase() !== "close";
  }

  async #send(seen: SeenRequest, reply: HttpReply): Promise<void> {
    const planned = "file" in reply
      ? this.#planFile(seen, reply)
      : "relay" in reply
      ? planRelay(reply)
      : planPlain(reply);
    const { status, headers } = planned;
    let end = planned.end;
    let declared = end - planned.start;
    let hangup = false;

    const contentRange = this.#draw.take("content-range", seen, () => status === 206);
    if (contentRange !== null) {
      const { value } = contentRange;
      if (value === null) headers.delete("content-range");
      else if (typeof value === "string") headers.set("content-range", value);
      else {
        const { shift } = value;
        headers.set(
          "content-range",
          `bytes ${planned.start + shift}-${end - 1 + shift}/${planned.content.size}`,
        );
      }
    }
    const truncate = this.#draw.take("truncate", seen, (fault) => end - planned.start > fault.bytes);
    if (truncate !== null) {
      end -= truncate.bytes;
      if (truncate.declared === false) declared -= truncate.bytes;
      else hangup = true;
    }
    const wrongLength = this.#draw.take("content-length", seen);
    if (wrongLength !== null) {
      declared += wrongLength.delta;
      hangup = true;
    }
    const flip = this.#draw.take("flip", seen, ({ offset }) => offset >= planned.start && offset < end);
    const stall = this.#draw.take(
      "stall",
      seen,
      ({ after }) => after !== "request" && planned.start + after < end,
    );
    const slow = this.#draw.take("slow", seen);
    const cut = this.#draw.take("cut", seen, ({ after }) => this.#carried + end - planned.start > after);

    // RFC 9110: no Content-Length with 204 and 304.
    if (status !== 204 && status !== 304) headers.set("content-length", `${declared}`);
    headers.set("date", new Date().toUTCString());
    let head = `HTTP/1.1 ${status} ${REASONS[status] ?? "Status"}\r\n`;
    for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
    seen.status = status;
    const headBytes = new TextEncoder().encode(`${head}\r\n`);
    if (seen.method === "HEAD" || end <= planned.start) {
      await this.#write(headBytes);
      if (hangup) throw new Hangup();
      return;
    }

    let at = planned.start;
    const stallAt = stall === null ? Infinity : planned.start + Number(stall.after);
    const cutAt = cut === null ? Infinity : at + Math.max(0, cut.after - this.#carried);
    const began = performance.now();
    let first: Uint8Array | null = headBytes;
    for await (const piece of planned.content.read(planned.start, end)) {
      let rest = piece;
      if (flip !== null && flip.offset >= at && flip.offset < at + piece.length) {
        rest = piece.slice();
        rest[flip.offset - at] = (rest[flip.offset - at] ?? 0) ^ 1;
      }
      while (rest.length > 0) {
        const allowed = Math.min(stallAt, cutAt) - at;
        const step = slow === null
          ? rest.length
          : Math.max(1, Math.min(rest.length, Math.ceil(slow.rate / 20)));
        const chunk = rest.subarray(0, Math.max(0, Math.min(step, allowed)));
        if (first !== null) {
          // A head and a small first piece are sent together in one segment, as real servers do.
          if (chunk.length > 0 && chunk.length <= 16384) await this.#write(concat(first, chunk));
          else {
            await this.#write(first);
            await this.#write(chunk);
          }
          first = null;
        } else await this.#write(chunk);
        at += chunk.length;
        seen.sent += chunk.length;
        this.#carried += chunk.length;
        rest = rest.subarray(chunk.length);
        if (at >= stallAt) await this.#silence();
        if (at >= cutAt) throw new Hangup();
        if (slow !== null) {
          const due = began + (at - planned.start) / slow.rate * 1000;
          if (due > performance.now()) await sleep(due - performance.now());
        }
      }
    }
    if (hangup) throw new Hangup();
  }

  #planFile(seen: SeenRequest, reply: Extract<HttpReply, { file: Content }>): Planned {
    const { file, etag } = reply;
    const headers = new Headers({ ...reply.headers, etag, "accept-ranges": "bytes" });
    if (!headers.has("content-type")) headers.set("content-type", "application/octet-stream");
    const ifMatch = seen.headers.get("if-match");
    const failed = ifMatch !== null && !matches(ifMatch, etag);
    const explain = (status: 412 | 416, extra: Record<string, string>) => {
      const body = reply.explain?.(status) ?? "";
      const headers = body === "" ? extra : { ...extra, "content-type": "application/xml" };
      return planPlain({ status, headers, body });
    };
    if (failed) return explain(412, {});
    const ifNoneMatch = seen.headers.get("if-none-match");
    if (ifNoneMatch !== null && matches(ifNoneMatch, etag)) {
      return planPlain({ status: 304, headers: { etag } });
    }
    const whole: Planned = { status: reply.status ?? 200, headers, content: file, start: 0, end: file.size };
    const ifRange = seen.headers.get("if-range");
    if (seen.range === null || (ifRange !== null && ifRange !== etag)) return whole;
    const range = parseRange(seen.range, file.size);
    if (range === null) return whole;
    if (this.#draw.take("ignore-range", seen) !== null) return whole;
    if (range === "unsatisfiable") return explain(416, { "content-range": `bytes */${file.size}` });
    headers.set("content-range", `bytes ${range.start}-${range.end - 1}/${file.size}`);
    return { status: 206, headers, content: file, ...range };
  }

  /** Keeps the connection open silently until the client or the server closes it. */
  async #silence(): Promise<never> {
    const buffer = new Uint8Array(4096);
    while (await this.#conn.read(buffer) !== null);
    throw new Hangup();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  async #readHead(): Promise<string | null> {
    while (true) {
      const end = findBlankLine(this.#pending);
      if (end >= 0) {
        const head = new TextDecoder("latin1").decode(this.#pending.subarray(0, end));
        this.#pending = this.#pending.subarray(end + 4);
        return head.replace(/^\r\n/, "");
      }
      if (!await this.#fill()) return null;
    }
  }

  /** Reads more bytes from the client into `#pending`; false at the end. */
  async #fill(): Promise<boolean> {
    const buffer = new Uint8Array(65536);
    const n = await this.#conn.read(buffer);
    if (n === null) return false;
    this.#pending = this.#pending.length === 0
      ? buffer.subarray(0, n)
      : concat(this.#pending, buffer.subarray(0, n));
    return true;
  }

  async *#body(headers: Headers): AsyncGenerator<Uint8Array, void, undefined> {
    const chunked = headers.get("transfer-encoding")?.toLowerCase() === "chunked";
    const length = Number(headers.get("content-length") ?? 0);
    if (!chunked && length === 0) return;
    if (headers.get("expect")?.toLowerCase() === "100-continue") {
      await this.#write(new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (!chunked) return yield* this.#take(length);
    while (true) {
      const size = parseInt(await this.#line(), 16);
      if (!(size > 0)) break;
      yield* this.#take(size);
      await this.#line();
    }
    while (await this.#line() !== "");
  }

  async *#take(length: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = length; left > 0;) {
      if (this.#pending.length === 0 && !await this.#fill()) throw new Hangup();
      const piece = this.#pending.subarray(0, left);
      this.#pending = this.#pending.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async #line(): Promise<string> {
    while (true) {
      const end = this.#pending.indexOf(10);
      if (end >= 0) {
        const line = new TextDecoder().decode(this.#pending.subarray(0, end)).replace(/\r$/, "");
        this.#pending = this.#pending.subarray(end + 1);
        return line;
      }
      if (!await this.#fill()) throw new Hangup();
    }
  }
}

/** The bytes `[start, end)` of a content, with status and headers. */
interface Planned {
  readonly status: number;
  readonly headers: Headers;
  readonly content: Content;
  readonly start: number;
  readonly end: number;
}

function planRelay(reply: Extract<HttpReply, { relay: unknown }>): Planned {
  const { status, headers, start, length, total } = reply;
  const content: Content = {
    size: total,
    read: (from, to) => firstBytes(reply.relay, to - from),
    digests: () => Promise.reject(new Error("not known")),
  };
  return { status, headers, content, start, end: start + length };
}

async function* firstBytes(pieces: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const piece of pieces) {
    yield piece.subarray(0, left);
    left -= piece.length;
    if (left <= 0) return;
  }
}

function planPlain(reply: PlainReply): Planned {
  const content = bytesContent(reply.body ?? "");
  return { status: reply.status, headers: new Headers(reply.headers), content, start: 0, end: content.size };
}

/** RFC 9110, 14.1.2: one range; null for a header that must be ignored. */
function parseRange(header: string, size: number): { start: number; end: number } | "unsatisfiable" | null {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header.replaceAll(" ", ""));
  const [first, last] = [found?.[1] ?? "", found?.[2] ?? ""];
  if (first === "" && last === "") return null;
  if (first === "") {
    return size === 0 || +last === 0 ? "unsatisfiable" : { start: Math.max(0, size - +last), end: size };
  }
  if (last !== "" && +last < +first) return null;
  return +first >= size
    ? "unsatisfiable"
    : { start: +first, end: last === "" ? size : Math.min(size, +last + 1) };
}

function matches(header: string, etag: string): boolean {
  return header.split(",").map((item) => item.trim()).some((item) =>
    item === "*" || item === etag || `"${item}"` === etag
  );
}

const EXPIRED: HttpReply = {
  status: 403,
  headers: { "content-type": "application/xml" },
  body:
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>',
};

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  206: "Partial Content",
  302: "Found",
  304: "Not Modified",
  307: "Temporary Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  412: "Precondition Failed",
  416: "Range Not Satisfiable",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

function findBlankLine(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0 && at + 3 < bytes.length; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
