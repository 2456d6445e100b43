import { abortable } from "@std/async/abortable";
import { type DirectRoute, directRoute } from "./direct_route.ts";
import { HttpConnection, NoResponse, type RequestHeaders, type ResponseHead } from "./http_connection.ts";
import type { EnvProxy } from "./proxies.ts";

interface DirectRequest {
  readonly method: string;
  readonly headers: RequestHeaders;
  readonly body: BodyInit | null;
  readonly signal: AbortSignal | null;
}

/**
 * Sends `GET` and `HEAD` over its own connections, and reads from the socket into the reader's buffer. That
 * takes half the CPU per byte of `fetch`, which copies each byte and returns TLS data in pieces of 16 KiB.
 * `fetch` still handles what model files do not need: chunked or encoded bodies, SOCKS, unreachable servers.
 */
export class DirectClient {
  readonly #caCerts: readonly string[];
  readonly #limit: number;
  /** Connections to each server or proxy. */
  readonly #open = new Map<string, number>();
  /** Connections without a request, in the order in which they became idle. */
  readonly #idle: Pooled[] = [];
  /** Origins whose responses need `fetch`. */
  readonly #unsuited = new Set<string>();

  /**
   * @param caCerts PEM, in addition to the authorities built into Deno.
   * @param limit Maximum connections to one server, or to one proxy for all servers behind it; exceeded only
   *   if the caller has more requests in progress.
   */
  constructor(caCerts: readonly string[], limit: number) {
    this.#caCerts = caCerts;
    this.#limit = limit;
  }

  /**
   * One attempt. Redirects are not followed.
   *
   * @returns `null` if `fetch` should make the attempt.
   * @throws the connection broke; the signal's reason when aborted.
   */
  async send(
    url: URL,
    { method, headers, body, signal }: DirectRequest,
    proxy: EnvProxy | null,
  ): Promise<Response | null> {
    if (body !== null || (method !== "GET" && method !== "HEAD")) return null;
    const route = directRoute(url, proxy, this.#caCerts);
    if (route === null || this.#unsuited.has(url.origin) || url.username !== "" || url.password !== "") {
      return null;
    }
    const fields = { host: url.host, accept: "*/*", "user-agent": "aim", ...headers };
    if (!Object.values(fields).every((value) => /^[\t\x20-\x7e]*$/.test(value))) return null;
    for (;;) {
      signal?.throwIfAborted();
      const idle = this.#takeIdle(route.key);
      const pooled = idle ?? await this.#connect(route, url.origin, signal);
      if (pooled === null) return null;
      const { connection } = pooled;
      let isOpen = true;
      const end = (reusable: boolean) => {
        if (!isOpen) return;
        isOpen = false;
        signal?.removeEventListener("abort", onAbort);
        if (reusable) this.#keep(pooled);
        else this.#close(pooled);
      };
      const onAbort = () => end(false);
      signal?.addEventListener("abort", onAbort, { once: true });
      try {
        // The listener misses an abort between the end of connecting and now.
        signal?.throwIfAborted();
        const head = await connection.ask(method, route.target, { ...fields, ...route.fields });
        if (head !== null && (!head.reusable || connection.waiting <= head.length)) {
          if (head.length === 0) end(head.reusable);
          const body = head.length === 0 ? null : bodyOf(head, connection, end);
          const response = new Response(body, { status: head.status, headers: head.headers });
          // `fetch` sets the URL too; the constructor cannot.
          return Object.defineProperty(response, "url", { value: url.href });
        }
        this.#unsuited.add(url.origin);
        end(false);
        return null;
      } catch (error) {
        end(false);
        signal?.throwIfAborted();
        // If the server closed an idle connection, the request is sent over another one.
        if (idle === null || !(error instanceof NoResponse)) throw error;
      }
    }
  }

  close(): void {
    for (const pooled of this.#idle.splice(0)) this.#close(pooled);
  }

  /** The one that was used last: the server is the least likely to have closed it. */
  #takeIdle(key: string): Pooled | null {
    const at = this.#idle.findLastIndex(({ route }) => route.key === key);
    const [last] = at < 0 ? [] : this.#idle.splice(at, 1);
    if (last === undefined) return null;
    if (performance.now() - last.connection.idleSince < LONGEST_IDLE) return last;
    this.#close(last);
    return this.#takeIdle(key);
  }

  #keep(pooled: Pooled): void {
    if (this.#openTo(pooled.route.peer) > this.#limit) return this.#close(pooled);
    pooled.connection.watch();
    this.#idle.push(pooled);
  }

  #openTo(peer: string): number {
    return this.#open.get(peer) ?? 0;
  }

  #close({ route: { peer }, connection }: Pooled): void {
    connection.close();
    this.#open.set(peer, this.#openTo(peer) - 1);
  }

  /** `null` if connecting fails or exceeds {@linkcode CONNECT_TIMEOUT}; `fetch` then reports the reason. */
  async #connect(
    route: DirectRoute,
    origin: string,
    signal: AbortSignal | null,
  ): Promise<Pooled | null> {
    const { peer } = route;
    this.#open.set(peer, this.#openTo(peer) + 1);
    if (this.#openTo(peer) > this.#limit) {
      // Closes an idle one, which is to another server behind the same proxy, to make room.
      const at = this.#idle.findIndex((pooled) => pooled.route.peer === peer);
      if (at >= 0) { for (const pooled of this.#idle.splice(at, 1)) this.#close(pooled); }
    }
    const limit = AbortSignal.timeout(CONNECT_TIMEOUT);
    const opening = route.open();
    try {
      const conn = await abortable(
        opening,
        signal === null ? limit : AbortSignal.any([signal, limit]),
      );
      return { route, connection: new HttpConnection(conn) };
    } catch (error) {
      this.#open.set(peer, this.#openTo(peer) - 1);
      // `fetch` may still accept the certificate.
      if (/certificate/i.test(String(error))) this.#unsuited.add(origin);
      opening.then((conn) => conn.close(), () => {});
      signal?.throwIfAborted();
      return null;
    }
  }
}

interface Pooled {
  readonly route: DirectRoute;
  readonly connection: HttpConnection;
}

/** Milliseconds. */
const CONNECT_TIMEOUT = 10_000;
const LONGEST_IDLE = 30_000;

function bodyOf(
  { length, reusable }: ResponseHead,
  connection: HttpConnection,
  end: (reusable: boolean) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = length;
  return new ReadableStream({
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
}
