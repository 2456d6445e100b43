import { type ByteReader, TransientError } from "../source.ts";
import type { Answer, AnswerHeaders } from "./answer.ts";
import { networkFault, proxyVariables } from "./network_fault.ts";

type Env = Readonly<Record<string, string | undefined>>;

/**
 * `GET` by HTTP/1.1 between a socket and the caller's buffers, for answers of known length: model files. Half the work a byte, and a
 * third a request, of `fetch`. What it does not know (proxies, chunked or encoded bodies, hosts that cannot be reached) is left to `fetch`.
 */
export interface DirectHttp {
  /**
   * One attempt; `null` where `fetch` should make it.
   *
   * @throws {TransientError} the connection broke; the signal's reason when aborted.
   */
  get(url: URL, request: DirectRequest): Promise<Answer | null>;
  /** Closes the connections that no answer uses. */
  close(): void;
}

export interface DirectRequest {
  readonly headers: Headers;
  readonly signal: AbortSignal | undefined;
  /** Bytes that are expected. */
  readonly bytes: number;
}

export interface DirectHttpOptions {
  /** Names proxies: where there is one, nothing goes directly. */
  readonly env: Env;
  /** PEM; beside those built into Deno. */
  readonly caCerts: readonly string[];
  /** Idle connections kept to one host. */
  readonly connections: number;
}

/** Holds the head of an answer, and all of a small one. */
const BUFFER = 32 * 1024;
/** Milliseconds. */
const CONNECT_TIMEOUT = 10_000;
const LONGEST_IDLE = 30_000;
/** Milliseconds, while the next request has begun: servers wait less long for the rest of it. */
const LONGEST_BEGUN = 5_000;
/**
 * Linux holds back acknowledgements for 40 ms on connections that were used before. A server that leaves Nagle's algorithm on, as Ceph's
 * gateway does, waits for them between the head of an answer and a body smaller than a segment. An acknowledgement goes along with
 * whatever is sent: there the next request begins, by its method, as soon as the head of an answer is there.
 */
const HELD_BACK = { from: 35, to: 60, times: 3, largest: 64 * 1024 };
const METHOD = new TextEncoder().encode("GET ");

interface Connection {
  readonly conn: Deno.Conn;
  readonly buffer: Uint8Array<ArrayBuffer>;
  /** Milliseconds that opening it took. */
  readonly opening: number;
  /** When it became idle. */
  since: number;
  /** The next request has begun: its method is sent. */
  begun: boolean;
}

/** The head of an answer, and what came with it of the body. */
interface Head {
  readonly status: number;
  readonly statusText: string;
  readonly headers: AnswerHeaders;
  /** Content-Length; `null` where the body is delimited in another way. */
  readonly length: number | null;
  readonly rest: Uint8Array<ArrayBuffer>;
  readonly reusable: boolean;
}

/** The connection ended before any byte of an answer. */
class NothingCame extends Error {}

/** Opens a direct client. */
export function directHttp(options: DirectHttpOptions): DirectHttp {
  const proxied = proxyVariables(options.env).length > 0;
  const idle = new Map<string, Connection[]>();
  /** Origins whose answers are for `fetch`. */
  const unsuited = new Set<string>();
  /** How many small answers in a row were held back, by origin. */
  const heldBack = new Map<string, number>();
  let closed = false;

  /** The one that was used last: it is the least likely to have been closed by the server. */
  function takeIdle(origin: string): Connection | null {
    const kept = idle.get(origin) ?? [];
    for (let last = kept.pop(); last !== undefined; last = kept.pop()) {
      if (performance.now() - last.since < (last.begun ? LONGEST_BEGUN : LONGEST_IDLE)) return last;
      shut(last);
    }
    return null;
  }

  function keep(origin: string, connection: Connection): void {
    const kept = idle.get(origin) ?? [];
    if (closed || kept.length >= options.connections) return shut(connection);
    connection.since = performance.now();
    idle.set(origin, [...kept, connection]);
  }

  async function connect(url: URL, signal: AbortSignal | undefined): Promise<Connection | null> {
    const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const secure = url.protocol === "https:";
    const port = Number(url.port || (secure ? 443 : 80));
    const started = performance.now();
    const promised: Promise<Deno.Conn | null> = secure
      ? Deno.connectTls({ hostname, port, caCerts: [...options.caCerts], alpnProtocols: ["http/1.1"] })
      : Deno.connect({ hostname, port });
    // Why it fails is for fetch to say.
    const conn = await soon(promised.catch(() => null), signal);
    const opening = performance.now() - started;
    return conn === null ? null : { conn, buffer: new Uint8Array(BUFFER), opening, since: 0, begun: false };
  }

  /** Takes note of how long the body of a small answer was waited for. */
  function noteWait(origin: string, { opening }: Connection, waited: number): void {
    const held = waited >= HELD_BACK.from && waited <= HELD_BACK.to && opening < waited / 4;
    heldBack.set(origin, held ? (heldBack.get(origin) ?? 0) + 1 : 0);
  }

  async function get(url: URL, { headers, signal, bytes }: DirectRequest): Promise<Answer | null> {
    if (proxied || unsuited.has(url.origin) || url.username !== "" || url.password !== "") return null;
    signal?.throwIfAborted();
    const small = bytes <= HELD_BACK.largest;
    const held = small && (heldBack.get(url.origin) ?? 0) >= HELD_BACK.times;
    const request = requestText(url, headers);
    for (;;) {
      const waiting = takeIdle(url.origin);
      const connection = waiting ?? await connect(url, signal);
      if (connection === null) return null;
      const onAbort = () => shut(connection);
      signal?.addEventListener("abort", onAbort, { once: true });
      const unwatch = () => signal?.removeEventListener("abort", onAbort);
      let head: Head;
      try {
        head = await ask(connection, request);
        if (held && head.reusable && head.rest.length < (head.length ?? 0)) await begin(connection);
      } catch (error) {
        unwatch();
        shut(connection);
        if (signal?.aborted) throw signal.reason;
        // An idle connection may have been closed by the server at any time.
        if (waiting !== null && error instanceof NothingCame) continue;
        throw error instanceof TransientError ? error : networkFault(error, url, options.env);
      }
      if (head.length === null || head.rest.length > head.length) {
        unwatch();
        shut(connection);
        unsuited.add(url.origin);
        return null;
      }
      const ended = (whole: boolean) => {
        unwatch();
        if (whole && head.reusable) keep(url.origin, connection);
        else shut(connection);
      };
      return new DirectAnswer(head, head.length, connection, {
        ended,
        began: (waited) =>
          small && !held && waiting !== null ? noteWait(url.origin, connection, waited) : undefined,
        fault: (error) => signal?.aborted ? signal.reason : networkFault(error, url, options.env),
      });
    }
  }

  return {
    get,
    close() {
      closed = true;
      for (const connection of [...idle.values()].flat()) shut(connection);
      idle.clear();
    },
  };
}

/** The connection, unless it takes too long: then it is closed once it is there. */
async function soon(
  opening: Promise<Deno.Conn | null>,
  signal: AbortSignal | undefined,
): Promise<Deno.Conn | null> {
  const late = Promise.withResolvers<null>();
  const onAbort = () => late.reject(signal?.reason);
  const timer = setTimeout(() => late.resolve(null), CONNECT_TIMEOUT);
  signal?.addEventListener("abort", onAbort, { once: true });
  let waiting = true;
  opening.then((conn) => waiting ? undefined : conn?.close());
  try {
    return await Promise.race([opening, late.promise]);
  } finally {
    waiting = false;
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function shut({ conn }: Connection): void {
  try {
    conn.close();
  } catch { /* closed already */ }
}

const encoder = new TextEncoder();

function requestText(url: URL, headers: Headers): Uint8Array {
  const given = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const defaults = (headers.has("accept") ? "" : "accept: */*\r\n") +
    (headers.has("user-agent") ? "" : "user-agent: aim\r\n");
  return encoder.encode(
    `GET ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n${given}${defaults}\r\n`,
  );
}

/** Sends the method of the next request. */
async function begin(connection: Connection): Promise<void> {
  connection.begun = true;
  for (let sent = 0; sent < METHOD.length;) sent += await connection.conn.write(METHOD.subarray(sent));
}

/** Sends a request, or what is left of it, and reads until the end of the answer's head. */
async function ask(connection: Connection, request: Uint8Array): Promise<Head> {
  const { conn, buffer } = connection;
  try {
    for (let sent = connection.begun ? METHOD.length : 0; sent < request.length;) {
      sent += await conn.write(request.subarray(sent));
    }
    connection.begun = false;
  } catch (error) {
    throw new NothingCame("the connection was closed before the request", { cause: error });
  }
  let have = 0;
  for (let searched = 0;;) {
    const count = await conn.read(buffer.subarray(have)).catch((error) => {
      throw have === 0 ? new NothingCame("the connection was reset", { cause: error }) : error;
    });
    if (count === null) {
      throw have === 0 ? new NothingCame("connection closed before an answer") : new Error("unexpected eof");
    }
    have += count;
    let end = headEnd(buffer, searched, have);
    searched = Math.max(0, have - 3);
    while (end !== null) {
      const head = parseHead(buffer.slice(0, end), buffer.slice(end, have));
      // 100 and 103 come before the answer.
      if (head.status >= 200) return head;
      buffer.copyWithin(0, end, have);
      have -= end;
      searched = 0;
      end = headEnd(buffer, 0, have);
    }
    if (have === buffer.length) throw new TransientError("the server's answer has a head without end");
  }
}

/** Where the empty line ends. */
function headEnd(buffer: Uint8Array, from: number, to: number): number | null {
  for (let at = buffer.indexOf(10, from); at >= 0 && at < to; at = buffer.indexOf(10, at + 1)) {
    if (at >= 3 && buffer[at - 1] === 13 && buffer[at - 2] === 10 && buffer[at - 3] === 13) return at + 1;
  }
  return null;
}

/** Reads a status line and header fields (RFC 9112), each byte a character. @throws {TransientError} where they are none. */
function parseHead(bytes: Uint8Array, rest: Uint8Array<ArrayBuffer>): Head {
  const [first = "", ...lines] = characters(bytes).slice(0, -4).split("\r\n");
  const [, minor, code, statusText = ""] = /^HTTP\/1\.([01]) (\d{3})(?: (.*))?$/.exec(first) ?? [];
  const headers = new HeaderFields();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new TransientError("the server's answer has a broken head");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const status = Number(code ?? 0);
  if (status < 100 || status > 599) throw new TransientError("the server's answer is not HTTP/1.1");
  const connection = headers.get("connection") ?? "";
  return {
    status,
    statusText,
    headers,
    length: lengthOf(status, headers),
    rest,
    reusable: minor === "1" && !/\bclose\b/i.test(connection),
  };
}

/** As `Headers`, at a fifth of its cost. */
class HeaderFields implements AnswerHeaders {
  readonly #fields = new Map<string, string>();

  /** Takes no value that a field cannot have. */
  append(name: string, value: string): void {
    if (/[\0\r\n]/.test(value)) return;
    const lower = name.toLowerCase();
    const before = this.#fields.get(lower);
    this.#fields.set(lower, before === undefined ? value : `${before}, ${value}`);
  }

  get(name: string): string | null {
    return this.#fields.get(name.toLowerCase()) ?? null;
  }

  has(name: string): boolean {
    return this.#fields.has(name.toLowerCase());
  }
}

/** Each byte a character. */
function characters(bytes: Uint8Array): string {
  // Spread, they would be taken one by one.
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

function lengthOf(status: number, headers: AnswerHeaders): number | null {
  if (status === 204 || status === 304) return 0;
  const encoding = headers.get("content-encoding");
  if (headers.has("transfer-encoding") || (encoding !== null && encoding !== "identity")) return null;
  const length = headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(length) ? Number(length) : null;
}

interface BodyHandlers {
  /** Called once: the connection has no more to do with the body. @param whole All of it was read. */
  readonly ended: (whole: boolean) => void;
  /** Milliseconds that the first byte of the body came after the head. */
  readonly began: (waited: number) => void;
  /** What is thrown in an error's place. */
  readonly fault: (error: unknown) => unknown;
}

/** An answer whose body is read from the socket into the reader's own memory. */
class DirectAnswer implements Answer, ByteReader {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly #length: number;
  readonly #rest: Uint8Array;
  readonly #conn: Deno.Conn;
  readonly #on: BodyHandlers;
  #given = 0;
  #ended = false;

  constructor(head: Head, length: number, { conn }: Connection, on: BodyHandlers) {
    this.status = head.status;
    this.headers = head.headers;
    this.#length = length;
    this.#rest = head.rest;
    this.#conn = conn;
    this.#on = on;
    if (length === 0) this.#end(true);
  }

  get ok(): boolean {
    return this.status < 300;
  }

  get body(): ByteReader | null {
    return this.#length === 0 ? null : this;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#given === this.#length) return null;
    if (this.#ended) throw new Error("the body was given up");
    const view = into.subarray(0, this.#length - this.#given);
    let count: number | null = Math.min(view.length, Math.max(0, this.#rest.length - this.#given));
    if (count > 0) {
      if (this.#given === 0) this.#on.began(0);
      view.set(this.#rest.subarray(this.#given, this.#given + count));
    } else {
      const asked = performance.now();
      try {
        count = await this.#conn.read(view);
        if (this.#given === 0) this.#on.began(performance.now() - asked);
        if (count === null) {
          throw new Error(`connection closed before byte ${this.#given} of ${this.#length}`);
        }
      } catch (error) {
        this.#end(false);
        throw this.#on.fault(error);
      }
    }
    this.#given += count;
    if (this.#given === this.#length) this.#end(true);
    return count;
  }

  cancel(): Promise<void> {
    this.#end(false);
    return Promise.resolve();
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    for (let at = 0; at < bytes.length;) at += await this.read(bytes.subarray(at)) ?? 0;
    return bytes.buffer;
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.arrayBuffer());
  }

  #end(whole: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#on.ended(whole);
  }
}
