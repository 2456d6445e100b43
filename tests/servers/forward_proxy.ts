// A forward proxy for HTTP_PROXY and HTTPS_PROXY: absolute URLs for http, CONNECT for https.
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export interface ForwardProxy extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, with `user:password@` if they are required. */
  readonly url: string;
  /** First line of each request, such as `CONNECT 127.0.0.1:443 HTTP/1.1`. */
  readonly requests: string[];
  /** Maximum number of client connections open at the same time. */
  readonly mostOpen: number;
  close(): Promise<void>;
}

/**
 * Starts a forward proxy on 127.0.0.1.
 *
 * @param options.credentials `user:password` that a client must send; the proxy answers 407 otherwise.
 * @param options.resolve Maps a host and port to its real address, so that clients can use invented names.
 */
export async function startForwardProxy(
  options: {
    credentials?: string;
    resolve?: (host: string, port: number) => { host: string; port: number };
  } = {},
): Promise<ForwardProxy> {
  const requests: string[] = [];
  const open = new Set<Socket>();
  let clients = 0;
  let mostOpen = 0;
  const server = createServer((client) => {
    open.add(client);
    mostOpen = Math.max(mostOpen, ++clients);
    client.on("close", () => {
      open.delete(client);
      clients--;
    });
    client.on("error", () => {});
    let head = "";
    const onData = (data: Uint8Array) => {
      head += new TextDecoder("latin1").decode(data);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      client.off("data", onData);
      client.pause();
      forward(client, head.slice(0, end), head.slice(end + 4));
    };
    client.on("data", onData);
  });

  const forward = (client: Socket, head: string, rest: string) => {
    const [line = "", ...headers] = head.split("\r\n");
    requests.push(line);
    const { credentials } = options;
    const wanted = credentials === undefined ? null : `proxy-authorization: Basic ${btoa(credentials)}`;
    const brought = (header: string) => header.replace(/^[^:]*/, (name) => name.toLowerCase()) === wanted;
    if (wanted !== null && !headers.some(brought)) {
      client.end(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
      );
      return;
    }
    const [method = "", target = ""] = line.split(" ");
    const url = new URL(method === "CONNECT" ? `https://${target}` : target);
    const asked = { host: url.hostname, port: Number(url.port || (url.protocol === "https:" ? 443 : 80)) };
    const upstream = connect(options.resolve?.(asked.host, asked.port) ?? asked);
    open.add(upstream);
    upstream.on("close", () => {
      open.delete(upstream);
      client.destroy();
    });
    upstream.on("error", () => client.destroy());
    client.on("close", () => upstream.destroy());
    upstream.on("connect", () => {
      if (method === "CONNECT") client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      else {
        // One request per connection: the next one may be for another host.
        const kept = headers.filter((header) => !/^(proxy-|connection:)/i.test(header));
        const first = `${method} ${url.pathname}${url.search} HTTP/1.1`;
        upstream.write([first, ...kept, "Connection: close", "", ""].join("\r\n"), "latin1");
      }
      if (rest !== "") upstream.write(rest, "latin1");
      client.pipe(upstream);
      upstream.pipe(client);
    });
  };

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      for (const socket of open) socket.destroy();
      server.close(() => resolve());
    });
  const user = options.credentials === undefined ? "" : `${options.credentials}@`;
  return {
    url: `http://${user}127.0.0.1:${port}`,
    requests,
    get mostOpen() {
      return mostOpen;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
