import { nodeModule } from "../../os/node_module.ts";

/**
 * A `fetch` with Node's TLS, which accepts a server's certificate that is itself one of the trusted ones, as
 * OpenSSL does: the self-signed certificate of an appliance, with the mark of an authority. Only for requests
 * without a body; slower than the runtime's own.
 *
 * @param options.caCerts PEM; nothing else is trusted.
 * @param options.verify False accepts any certificate.
 */
export async function pinnedFetch(
  url: URL,
  init: RequestInit,
  { caCerts = [], verify = true }: { caCerts?: readonly string[]; verify?: boolean },
): Promise<Response> {
  const { connect } = nodeModule("node:tls"), { Readable } = nodeModule("node:stream");
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port || 443);
  const isAddress = /^[\d.]+$|:/.test(hostname);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const outgoing = nodeModule("node:http").request({
    host: hostname,
    port,
    method: init.method ?? "GET",
    path: url.pathname + url.search,
    headers: { ...Object.fromEntries(new Headers(init.headers)), host: url.host },
    ...(init.signal == null ? {} : { signal: init.signal }),
    createConnection: () =>
      connect({
        host: hostname,
        port,
        rejectUnauthorized: verify,
        ...(verify ? { ca: [...caCerts] } : {}),
        ...(isAddress ? {} : { servername: hostname }),
      }),
  }, (incoming) => {
    const headers = new Headers();
    for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
      headers.append(incoming.rawHeaders[at] ?? "", incoming.rawHeaders[at + 1] ?? "");
    }
    const status = incoming.statusCode ?? 0;
    const empty = init.method === "HEAD" || [204, 205, 304].includes(status);
    if (empty) incoming.resume();
    const body = empty ? null : Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>;
    resolve(new Response(body, { status, headers }));
  });
  outgoing.on("error", reject);
  if (typeof init.body === "string" || init.body instanceof Uint8Array) outgoing.write(init.body);
  outgoing.end();
  return await promise;
}
