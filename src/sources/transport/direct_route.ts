import { HttpConnection } from "./http_connection.ts";
import type { EnvProxy } from "./proxies.ts";

/** How requests for a URL reach its server. */
export interface DirectRoute {
  /** The server or proxy that connections are opened to. */
  readonly peer: string;
  /** Connections with the same key are interchangeable. */
  readonly key: string;
  /** The target in the request line. */
  readonly target: string;
  /** Additional header fields of each request, in lower case. */
  readonly fields: Readonly<Record<string, string>>;
  /** @throws the runtime's errors, or if a proxy refuses. */
  open(): Promise<Deno.Conn>;
}

/**
 * The route to a URL: direct, through an HTTP proxy (RFC 9112 §3.2.2), or for TLS through a proxy's tunnel
 * (RFC 9110 §9.3.6).
 *
 * @param caCerts PEM, in addition to the authorities built into Deno.
 * @returns `null` for SOCKS, and for TLS through a proxy that speaks TLS itself.
 */
export function directRoute(
  url: URL,
  proxy: EnvProxy | null,
  caCerts: readonly string[],
): DirectRoute | null {
  const { origin } = url;
  const path = url.pathname + url.search;
  const isSecure = url.protocol === "https:";
  if (proxy === null) {
    return { peer: origin, key: origin, target: path, fields: {}, open: () => connect(url, caCerts) };
  }
  const address = new URL(proxy.url);
  if (!/^https?:$/.test(address.protocol) || (isSecure && address.protocol === "https:")) return null;
  const login = proxy.basicAuth;
  const words = new TextEncoder().encode(`${login?.username}:${login?.password}`);
  const fields = { ...(login !== null && { "proxy-authorization": `Basic ${words.toBase64()}` }) };
  const peer = proxy.url;
  if (!isSecure) {
    const target = origin + path;
    return { peer, key: peer, target, fields, open: () => connect(address, caCerts) };
  }
  return {
    peer,
    key: `${peer} ${origin}`,
    target: path,
    fields: {},
    async open() {
      const conn = await Deno.connect(endpoint(address));
      try {
        const { hostname, port } = endpoint(url);
        const authority = `${url.hostname}:${port}`;
        const head = await new HttpConnection(conn).ask("CONNECT", authority, { host: authority, ...fields });
        if (head === null || head.status > 299) throw new Error("the proxy opens no tunnel");
        return await handshake(
          await Deno.startTls(conn, { hostname, caCerts: [...caCerts], alpnProtocols: ALPN }),
        );
      } catch (error) {
        close(conn);
        throw error;
      }
    },
  };
}

const ALPN = ["http/1.1"];

async function connect(url: URL, caCerts: readonly string[]): Promise<Deno.Conn> {
  if (url.protocol === "http:") return await Deno.connect(endpoint(url));
  return await handshake(
    await Deno.connectTls({ ...endpoint(url), caCerts: [...caCerts], alpnProtocols: ALPN }),
  );
}

async function handshake(conn: Deno.TlsConn): Promise<Deno.Conn> {
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    close(conn);
    throw error;
  }
}

function endpoint(url: URL): { hostname: string; port: number } {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { hostname, port: Number(url.port || (url.protocol === "https:" ? 443 : 80)) };
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch { /* closed, or taken over by TLS */ }
}
