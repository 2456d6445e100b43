import { type EnvProxy, proxyFor } from "./proxies.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The variables that Deno's clients read. */
const PROXY_VARIABLES = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/**
 * The runtime's HTTP clients: one for direct connections, one for each proxy, made when they are first needed. Which
 * proxy a URL takes is decided here: Deno ignores users without a password, and reads `NO_PROXY` only as a list of
 * names.
 */
export class HttpClients {
  readonly #env: Env;
  readonly #caCerts: readonly string[];
  readonly #connections: number;
  readonly #verifyTls: boolean;
  readonly #clients = new Map<string, Deno.HttpClient>();
  /** Servers that show a certificate of the bundle itself. */
  readonly #pinned = new Set<string>();

  /**
   * @param caCerts PEM, beside the authorities built into Deno.
   * @param connections Idle connections kept to one host.
   * @param verifyTls If false, any certificate is accepted, and requests do not use a proxy.
   */
  constructor(env: Env, caCerts: readonly string[], connections: number, verifyTls: boolean) {
    this.#env = env;
    this.#caCerts = caCerts;
    this.#connections = connections;
    this.#verifyTls = verifyTls;
  }

  async fetch(url: URL, init: RequestInit): Promise<Response> {
    const isUnverified = !this.#verifyTls && url.protocol === "https:";
    if (isUnverified || this.#pinned.has(url.host)) return await this.#fetchByNode(url, init);
    const proxy = proxyFor(url, this.#env);
    try {
      return await fetch(url, { ...init, client: this.#clientFor(proxy) });
    } catch (error) {
      if (proxy !== null || this.#caCerts.length === 0 || !isSelfSignedAuthority(error)) throw error;
      const response = await this.#fetchByNode(url, init);
      this.#pinned.add(url.host);
      return response;
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  /** Node's HTTP takes time to load, and few need it. */
  async #fetchByNode(url: URL, init: RequestInit): Promise<Response> {
    const { nodeFetch } = await import("./node_fetch.ts");
    return await nodeFetch(url, init, this.#caCerts, this.#verifyTls);
  }

  #clientFor(proxy: EnvProxy | null): Deno.HttpClient {
    const key = proxy === null ? "" : `${proxy.variable} ${proxy.url}`;
    return this.#clients.getOrInsertComputed(key, () => {
      // The caller's variables are in `env`, which is a copy.
      for (const name of PROXY_VARIABLES) Deno.env.delete(name);
      return Deno.createHttpClient({
        http2: false,
        caCerts: [...this.#caCerts],
        // Through a proxy these are questions alone, and files have the connections.
        poolMaxIdlePerHost: proxy === null ? this.#connections : 1,
        ...(proxy !== null && {
          proxy: { url: proxy.url, ...(proxy.basicAuth !== null && { basicAuth: proxy.basicAuth }) },
        }),
      });
    });
  }
}

/** Deno refuses a server's certificate that is an authority's, even if it is itself trusted. */
function isSelfSignedAuthority(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error.message.includes("CaUsedAsEndEntity")) return true;
  }
  return false;
}
