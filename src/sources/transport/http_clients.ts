import { PROXY_VARIABLES } from "../../log/redact.ts";
import { nodeModule } from "../../os/node_module.ts";
import { type EnvProxy, proxyFor } from "./proxies.ts";

interface HttpOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** PEM, in addition to the authorities built into Deno. */
  readonly caCerts: readonly string[];
  /** Maximum idle connections per host. */
  readonly connections: number;
  /** If false, any certificate is accepted, and requests do not use a proxy. */
  readonly verifyTls: boolean;
}

/**
 * The runtime's HTTP clients: one for direct connections, one for each proxy, created on first use. The proxy
 * for a URL is chosen here: Deno ignores users without a password, and supports only names in `NO_PROXY`.
 */
export class HttpClients {
  readonly #options: HttpOptions;
  readonly #clients = new Map<string, Deno.HttpClient>();
  /** Servers whose own certificate is in `caCerts`. */
  readonly #pinned = new Set<string>();

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  async fetch(url: URL, init: RequestInit): Promise<Response> {
    const { env, caCerts, verifyTls } = this.#options;
    const isUnverified = !verifyTls && url.protocol === "https:";
    if (isUnverified || this.#pinned.has(url.host)) {
      return await nodeFetch(url, init, caCerts, verifyTls);
    }
    const proxy = proxyFor(url, env);
    try {
      return await fetch(url, { ...init, client: this.#clientFor(proxy) });
    } catch (error) {
      if (proxy !== null || caCerts.length === 0 || !isSelfSignedAuthority(error)) throw error;
      const response = await nodeFetch(url, init, caCerts, verifyTls);
      this.#pinned.add(url.host);
      return response;
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  #clientFor(proxy: EnvProxy | null): Deno.HttpClient {
    const key = proxy === null ? "" : `${proxy.variable} ${proxy.url}`;
    return this.#clients.getOrInsertComputed(key, () => {
      // Deno's clients would read these. The caller's values remain in `env`, which is a copy.
      for (const name of [...PROXY_VARIABLES, "NO_PROXY", "no_proxy"]) Deno.env.delete(name);
      return Deno.createHttpClient({
        http2: false,
        caCerts: [...this.#options.caCerts],
        // Through a proxy, most requests here are for metadata; files need the connections.
        poolMaxIdlePerHost: proxy === null ? this.#options.connections : 1,
        ...(proxy !== null && {
          proxy: { url: proxy.url, ...(proxy.basicAuth !== null && { basicAuth: proxy.basicAuth }) },
        }),
      });
    });
  }
}

/** Deno rejects an authority's certificate as a server's, even if it is itself trusted. */
function isSelfSignedAuthority(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error.message.includes("CaUsedAsEndEntity")) return true;
  }
  return false;
}

/**
 * A `fetch` with Node's TLS. Like OpenSSL, it accepts a server's certificate that is itself a trusted one: an
 * appliance's self-signed certificate that is marked as an authority's.
 *
 * @param caCerts PEM; nothing else is trusted.
 * @param verifyTls If false, any certificate is accepted.
 */
async function nodeFetch(
  url: URL,
  init: RequestInit,
  caCerts: readonly string[],
  verifyTls: boolean,
): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const outgoing = nodeModule("node:https").request(url, {
    agent: false,
    method: init.method ?? "GET",
    headers: Object.fromEntries(new Headers(init.headers)),
    ...(init.signal == null ? {} : { signal: init.signal }),
    // Without a list, Node reads the system's authorities, which needs another permission.
    ca: [...caCerts],
    rejectUnauthorized: verifyTls,
  }, (incoming) => {
    const headers = new Headers();
    for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
      headers.append(incoming.rawHeaders[at] ?? "", incoming.rawHeaders[at + 1] ?? "");
    }
    const status = incoming.statusCode ?? 0;
    const isEmpty = init.method === "HEAD" || [204, 205, 304].includes(status);
    if (isEmpty) incoming.resume();
    const { Readable } = nodeModule("node:stream");
    const body = isEmpty ? null : Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>;
    resolve(new Response(body, { status, headers }));
  });
  outgoing.on("error", reject);
  outgoing.end(typeof init.body === "string" || init.body instanceof Uint8Array ? init.body : undefined);
  return await promise;
}
