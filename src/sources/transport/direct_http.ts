import { type ByteReader, TransientError } from "../source.ts";
import type { Answer, AnswerHeaders } from "./answer.ts";
import { HttpConnection, NothingCame } from "./http_connection.ts";
import type { Head } from "./http_head.ts";
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
  /**
   * Sends small requests to one server together, over one connection, instead of each after the answer to the one before (RFC 9112
   * §9.3.2). Yields the answers in their order, each to be read before the next. Ends before all are answered, which is no error, where
   * the server has not shown yet that it keeps connections, or closes this one, or has not gone on in time: the rest is for {@linkcode get}.
   *
   * @throws {TransientError} the connection broke within an answer; the signal's reason when aborted.
   */
  getAll(requests: readonly DirectGet[], signal: AbortSignal | undefined): AsyncGenerator<Answer>;
  /** Closes the connections that no answer uses. */
  close(): void;
}

/** What is asked for. */
export interface DirectGet {
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface DirectRequest extends Pick<DirectGet, "headers"> {
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
  /**
   * Milliseconds from one answer to the next of those asked for together: a server may have forgotten the requests behind the first.
   *
   * @default {5,000}
   */
  readonly longestGap?: number;
}

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
const LONGEST_GAP = 5_000;

/** What an origin's answers have shown. */
interface Experience {
  /** Its answers are for `fetch`. */
  unsuited: boolean;
  /** It keeps connections open. */
  keeps: boolean;
  /** It does not answer requests that were sent together. */
  oneByOne: boolean;
  /** How many small answers in a row were held back. */
  heldBack: number;
}

/** Opens a direct client. */
export function directHttp(options: DirectHttpOptions): DirectHttp {
  const proxied = proxyVariables(options.env).length > 0;
  const idle = new Map<string, HttpConnection[]>();
  const experiences = new Map<string, Experience>();
  let closed = false;

  function experienceOf(origin: string): Experience {
    const known = experiences.get(origin);
    if (known !== undefined) return known;
    const none: Experience = { unsuited: false, keeps: false, oneByOne: false, heldBack: 0 };
    experiences.set(origin, none);
    return none;
  }

  /** The one that was used last: it is the least likely to have been closed by the server. */
  function takeIdle(origin: string): HttpConnection | null {
    const kept = idle.get(origin) ?? [];
    for (let last = kept.pop(); last !== undefined; last = kept.pop()) {
      if (performance.now() - last.since < (last.begun ? LONGEST_BEGUN : LONGEST_IDLE)) return last;
      last.close();
    }
    return null;
  }

  function keep(origin: string, connection: HttpConnection): void {
    const kept = idle.get(origin) ?? [];
    if (closed || kept.length >= options.connections) return connection.close();
    connection.since = performance.now();
    kept.push(connection);
    idle.set(origin, kept);
    experienceOf(origin).keeps = true;
  }

  async function connect(url: URL, signal: AbortSignal | undefined): Promise<HttpConnection | null> {
    const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const secure = url.protocol === "https:";
    const port = Number(url.port || (secure ? 443 : 80));
    const started = performance.now();
    const promised: Promise<Deno.Conn | null> = secure
      ? Deno.connectTls({ hostname, port, caCerts: [...options.caCerts], alpnProtocols: ["http/1.1"] })
      : Deno.connect({ hostname, port });
    // Why it fails is for fetch to say.
    const conn = await soon(promised.catch(() => null), signal);
    return conn === null ? null : new HttpConnection(conn, performance.now() - started);
  }

  /** Takes note of how long the body of a small answer was waited for. */
  function noteWait(experience: Experience, { opening }: HttpConnection, waited: number): void {
    const held = waited >= HELD_BACK.from && waited <= HELD_BACK.to && opening < waited / 4;
    experience.heldBack = held ? experience.heldBack + 1 : 0;
  }

  const isHeldBack = ({ heldBack }: Experience) => heldBack >= HELD_BACK.times;

  function isDirect(url: URL): boolean {
    return !proxied && !experienceOf(url.origin).unsuited && url.username === "" && url.password === "";
  }

  async function get(url: URL, { headers, signal, bytes }: DirectRequest): Promise<Answer | null> {
    if (!isDirect(url)) return null;
    signal?.throwIfAborted();
    const { origin } = url;
    const experience = experienceOf(origin);
    const small = bytes <= HELD_BACK.largest;
    const held = small && isHeldBack(experience);
    const request = encoder.encode(requestText(url, headers));
    for (;;) {
      const waiting = takeIdle(origin);
      const connection = waiting ?? await connect(url, signal);
      if (connection === null) return null;
      const onAbort = () => connection.close();
      signal?.addEventListener("abort", onAbort, { once: true });
      const unwatch = () => signal?.removeEventListener("abort", onAbort);
      let head: Head;
      try {
        await connection.send(request);
        head = await connection.head();
        if (held && head.reusable && connection.waiting < (head.length ?? 0)) await connection.begin();
      } catch (error) {
        unwatch();
        connection.close();
        if (signal?.aborted) throw signal.reason;
        // An idle connection may have been closed by the server at any time.
        if (waiting !== null && error instanceof NothingCame) continue;
        throw error instanceof TransientError ? error : networkFault(error, url, options.env);
      }
      if (head.length === null || connection.waiting > head.length) {
        unwatch();
        connection.close();
        experience.unsuited = true;
        return null;
      }
      return new DirectAnswer(head, head.length, connection, {
        ahead: false,
        ended(whole) {
          unwatch();
          if (whole && head.reusable) keep(origin, connection);
          else connection.close();
        },
        began: (waited) =>
          small && !held && waiting !== null ? noteWait(experience, connection, waited) : undefined,
        fault: (error) => signal?.aborted ? signal.reason : networkFault(error, url, options.env),
      });
    }
  }

  async function* getAll(
    requests: readonly DirectGet[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Answer> {
    const [first] = requests;
    if (first === undefined || !isDirect(first.url)) return;
    const { origin } = first.url;
    const experience = experienceOf(origin);
    if (!experience.keeps || experience.oneByOne || isHeldBack(experience)) return;
    signal?.throwIfAborted();
    const together = untilOther(requests, origin);
    const connection = takeIdle(origin) ?? await connect(first.url, signal);
    if (connection === null) return;
    const onAbort = () => connection.close();
    signal?.addEventListener("abort", onAbort, { once: true });
    let done = false;
    let answered = 0;
    try {
      await connection.send(
        encoder.encode(together.map(({ url, headers }) => requestText(url, headers)).join("")),
      );
      for (; answered < together.length; answered++) {
        const head = await (answered === 0
          ? connection.head()
          : headInTime(connection, options.longestGap ?? LONGEST_GAP));
        if (head === null) {
          experience.oneByOne = true;
        } else if (head.length === null) {
          experience.unsuited = true;
        }
        if (head === null || head.length === null) {
          return;
        }
        let whole = false;
        yield new DirectAnswer(head, head.length, connection, {
          ahead: answered < together.length - 1,
          ended: (all) =>
            whole = all,
          began: (waited) => noteWait(experience, connection, waited),
          fault: (error) => signal?.aborted ? signal.reason : networkFault(error, first.url, options.env),
        });
        if (!whole || !head.reusable) return;
      }
      // More than was asked for: no answer can be told from another.
      if (connection.waiting > 0) experience.unsuited = true;
      else done = true;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      // One that was idle may have been closed by the server at any time; one that answers and then ends without a word takes no more.
      if (answered > 0) experience.oneByOne = true;
      if (error instanceof NothingCame) return;
      throw error instanceof TransientError ? error : networkFault(error, first.url, options.env);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      if (done) keep(origin, connection);
      else connection.close();
    }
  }

  return {
    get,
    getAll,
    close() {
      closed = true;
      for (const connection of [...idle.values()].flat()) connection.close();
      idle.clear();
    },
  };
}

/** The requests before the first that goes elsewhere. */
function untilOther(requests: readonly DirectGet[], origin: string): readonly DirectGet[] {
  const other = requests.findIndex(({ url }) => url.origin !== origin);
  return other < 0 ? requests : requests.slice(0, other);
}

/** The next head; `null` where it does not come in time, and the connection is closed. @param limit Milliseconds. */
async function headInTime(connection: HttpConnection, limit: number): Promise<Head | null> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    connection.close();
  }, limit);
  try {
    return await connection.head();
  } catch (error) {
    if (late) return null;
    throw error;
  } finally {
    clearTimeout(timer);
  }
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

const encoder = new TextEncoder();

/** @throws {TypeError} A value that no field can have. */
function requestText(url: URL, headers: DirectGet["headers"]): string {
  let text = `GET ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? "";
    if (/[\0\r\n]/.test(value)) throw new TypeError(`${name} cannot have that value`);
    text += `${name}: ${value}\r\n`;
  }
  if (headers.accept === undefined) text += "accept: */*\r\n";
  if (headers["user-agent"] === undefined) text += "user-agent: aim\r\n";
  return `${text}\r\n`;
}

interface BodyHandlers {
  /** Further answers are on their way. */
  readonly ahead: boolean;
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
  readonly #connection: HttpConnection;
  readonly #on: BodyHandlers;
  #given = 0;
  #ended = false;

  constructor(head: Head, length: number, connection: HttpConnection, on: BodyHandlers) {
    this.status = head.status;
    this.headers = head.headers;
    this.#length = length;
    this.#connection = connection;
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
    const first = this.#given === 0;
    const asked = first && this.#connection.waiting === 0 ? performance.now() : null;
    try {
      const view = into.subarray(0, this.#length - this.#given);
      const count = await this.#connection.read(view, this.#on.ahead);
      if (count === null) {
        throw new Error(`connection closed before byte ${this.#given} of ${this.#length}`);
      }
      if (first) this.#on.began(asked === null ? 0 : performance.now() - asked);
      this.#given += count;
      if (this.#given === this.#length) this.#end(true);
      return count;
    } catch (error) {
      this.#end(false);
      throw this.#on.fault(error);
    }
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
