import { HttpConnection, NoResponse } from "./http_connection.ts";
import type { ResponseHead } from "./response_head.ts";
import { untilAborted } from "./until_aborted.ts";

/**
 * `GET` over connections of its own, from the socket into the reader's buffer: half of the CPU that `fetch`
 * takes per byte, which copies each and hands over TLS in pieces of 16 KiB. Only for what model files need;
 * everything else is left to `fetch`: other methods, proxies, chunked or encoded bodies, servers that cannot
 * be reached.
 */
export class DirectClient {
  readonly #caCerts: readonly string[];
  readonly #connections: number;
  readonly #idle = new Map<string, HttpConnection[]>();
  /** Origins whose responses are for `fetch`. */
  readonly #unsuited = new Set<string>();

  /**
   * @param caCerts PEM, beside the authorities built into Deno.
   * @param connections Idle connections kept to one origin.
   */
  constructor(caCerts: readonly string[], connections: number) {
    this.#caCerts = caCerts;
    this.#connections = connections;
  }

  /**
   * One attempt. Redirects are not followed.
   *
   * @returns `null` if `fetch` should make it.
   * @throws the connection broke; the signal's reason when aborted.
   */
  async get(url: URL, headers: Headers, signal: AbortSignal | undefined): Promise<Response | null> {
    const { origin } = url;
    if (this.#unsuited.has(origin) || url.username !== "" || url.password !== "") return null;
    const request = requestBytes(url, headers);
    for (;;) {
      signal?.throwIfAborted();
      const idle = this.#takeIdle(origin);
      const connection = idle ?? await this.#connect(url, signal);
      if (connection === null) return null;
      const onAbort = () => connection.close();
      signal?.addEventListener("abort", onAbort, { once: true });
      let isOpen = true;
      const end = (reusable: boolean) => {
        if (!isOpen) return;
        isOpen = false;
        signal?.removeEventListener("abort", onAbort);
        if (reusable) this.#keep(origin, connection);
        else connection.close();
      };
      try {
        const head = await connection.ask(request);
        if (head !== null && connection.waiting <= head.length) {
          // As `fetch` has it; the constructor has no way to give it.
          return Object.defineProperty(responseOf(head, connection, end), "url", { value: url.href });
        }
        this.#unsuited.add(origin);
        end(false);
        return null;
      } catch (error) {
        end(false);
        signal?.throwIfAborted();
        // The server has closed a connection that was idle.
        if (idle === null || !(error instanceof NoResponse)) throw error;
      }
    }
  }

  close(): void {
    for (const connection of [...this.#idle.values()].flat()) connection.close();
    this.#idle.clear();
  }

  /** The one that was used last: the server is the least likely to have closed it. */
  #takeIdle(origin: string): HttpConnection | null {
    const idle = this.#idle.get(origin) ?? [];
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      if (performance.now() - last.idleSince < LONGEST_IDLE) return last;
      last.close();
    }
    return null;
  }

  #keep(origin: string, connection: HttpConnection): void {
    const idle = this.#idle.get(origin) ?? [];
    if (idle.length >= this.#connections) return connection.close();
    connection.idleSince = performance.now();
    idle.push(connection);
    this.#idle.set(origin, idle);
  }

  /** `null` if there is no connection within {@linkcode CONNECT_TIMEOUT}; `fetch` then finds out why. */
  async #connect(url: URL, signal: AbortSignal | undefined): Promise<HttpConnection | null> {
    const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const secure = url.protocol === "https:";
    const port = Number(url.port || (secure ? 443 : 80));
    const limit = AbortSignal.timeout(CONNECT_TIMEOUT);
    const opening = secure ? connectTls(hostname, port, this.#caCerts) : Deno.connect({ hostname, port });
    try {
      return new HttpConnection(
        await untilAborted(opening, signal === undefined ? limit : AbortSignal.any([signal, limit])),
      );
    } catch {
      opening.then((conn) => conn.close(), () => {});
      signal?.throwIfAborted();
      return null;
    }
  }
}

async function connectTls(hostname: string, port: number, caCerts: readonly string[]): Promise<Deno.Conn> {
  const conn = await Deno.connectTls({ hostname, port, caCerts: [...caCerts], alpnProtocols: ["http/1.1"] });
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** Milliseconds. */
const CONNECT_TIMEOUT = 10_000;
const LONGEST_IDLE = 30_000;

/** @param end Called at the end of the body with whether the connection can take another request. */
function responseOf(
  head: ResponseHead,
  connection: HttpConnection,
  end: (reusable: boolean) => void,
): Response {
  const { status, headers, reusable } = head;
  let left = head.length;
  if (left === 0) {
    end(reusable);
    return new Response(null, { status, headers });
  }
  const body = new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: 64 * 1024,
    async pull(controller) {
      const request = controller.byobRequest, view = request?.view;
      if (request === null || !view) return;
      try {
        const into = new Uint8Array(view.buffer, view.byteOffset, Math.min(view.byteLength, left));
        const count = await connection.read(into);
        left -= count;
        if (left === 0) end(reusable);
        request.respond(count);
        if (left === 0) controller.close();
      } catch (error) {
        end(false);
        throw error;
      }
    },
    cancel: () => end(false),
  }, { highWaterMark: 0 });
  return new Response(body, { status, headers });
}

/** `Headers` allows only bytes in a value and no line break, `URL` only ASCII in a path. */
function requestBytes(url: URL, headers: Headers): Uint8Array {
  const fields = { accept: "*/*", "user-agent": "aim", ...Object.fromEntries(headers) };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `GET ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n${lines.join("")}\r\n`;
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
