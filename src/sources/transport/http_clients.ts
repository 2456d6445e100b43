import { DENO_PROXY_VARIABLES, type EnvProxy, proxyFor } from "./proxies.ts";

type PinnedFetch = typeof import("./pinned_fetch.ts").pinnedFetch;
type Env = Readonly<Record<string, string | undefined>>;

/** The runtime's HTTP clients: one for direct connections, one for each proxy. */
export interface HttpClients {
  fetch(url: URL, init: RequestInit): Promise<Response>;
  close(): void;
}

/**
 * Makes them when they are first needed. Which proxy a URL takes is decided here: Deno ignores users without
 * a password, and reads `NO_PROXY` only as a list of names.
 *
 * @param options.caCerts PEM, beside the authorities built into Deno.
 * @param options.connections Idle connections kept to one host.
 * @param options.verifyTls If false, any certificate is accepted, and requests do not use a proxy.
 */
export function httpClients(
  { env, caCerts, connections, verifyTls }: {
    env: Env;
    caCerts: readonly string[];
    connections: number;
    verifyTls: boolean;
  },
): HttpClients {
  const clients = new Map<string, Deno.HttpClient>();
  /** Servers that show a certificate of the bundle itself. */
  const pinned = new Set<string>();

  /** Node's HTTP takes time to load, and few need it. */
  async function byNode(...args: Parameters<PinnedFetch>): Promise<Response> {
    const { pinnedFetch } = await import("./pinned_fetch.ts");
    return await pinnedFetch(...args);
  }

  function clientFor(proxy: EnvProxy | null): Deno.HttpClient {
    const key = proxy === null ? "" : `${proxy.variable} ${proxy.url}`;
    const client = clients.get(key) ?? withoutProxyVariables(() =>
      Deno.createHttpClient({
        http2: false,
        caCerts: [...caCerts],
        // Through a proxy these are questions alone, and files have the connections.
        poolMaxIdlePerHost: proxy === null ? connections : 1,
        ...(proxy === null ? {} : {
          proxy: { url: proxy.url, ...(proxy.basicAuth === null ? {} : { basicAuth: proxy.basicAuth }) },
        }),
      })
    );
    clients.set(key, client);
    return client;
  }

  return {
    async fetch(url, init) {
      if (!verifyTls && url.protocol === "https:") return await byNode(url, init, { verify: false });
      const proxy = proxyFor(url, env);
      if (pinned.has(url.host)) return await byNode(url, init, { caCerts });
      try {
        return await fetch(url, { ...init, client: clientFor(proxy) });
      } catch (error) {
        if (proxy !== null || caCerts.length === 0 || !isSelfSignedAuthority(error)) throw error;
        const response = await byNode(url, init, { caCerts });
        pinned.add(url.host);
        return response;
      }
    },
    close() {
      for (const client of clients.values()) client.close();
    },
  };
}

/** Deno refuses a server's certificate that is an authority's, even if it is itself trusted. */
function isSelfSignedAuthority(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error.message.includes("CaUsedAsEndEntity")) return true;
  }
  return false;
}

/** Deno's clients would read them as well. */
function withoutProxyVariables<T>(make: () => T): T {
  const kept = DENO_PROXY_VARIABLES.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  for (const [name] of kept) Deno.env.delete(name);
  try {
    return make();
  } finally {
    for (const [name, value] of kept) Deno.env.set(name, value);
  }
}
